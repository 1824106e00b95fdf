"""Networks of the user: how frames get in, and boxes and masks out."""
