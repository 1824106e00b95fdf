"""How good a translation is, and what shows it."""
