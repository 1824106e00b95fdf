"""Bundles: all that one board needs, to be copied there and built offline."""
