"""The window that shows a translation, and its keys."""
