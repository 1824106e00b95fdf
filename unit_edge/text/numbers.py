"""Whole numbers in texts of strangers."""

from __future__ import annotations

_DIGITS_AT_MOST = 18  # those of 64 bits; of some thousands Python makes no number


def whole_number(text: str) -> int | None:
    """The number that a text of 1 to 18 of the digits 0 to 9 is; None if it is anything else."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _DIGITS_AT_MOST else None
