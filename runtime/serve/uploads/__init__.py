"""Clips and pictures that viewers give."""
