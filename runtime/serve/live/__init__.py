"""The translation that all viewers share."""
