"""Exports of a domain adaptation: its classifier and translators of digits."""
