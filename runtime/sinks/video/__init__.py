"""A video file as a sink: its parts, its sound, and how they become one file."""
