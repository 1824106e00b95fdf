"""A benchmark's results as tables, files and pictures."""
