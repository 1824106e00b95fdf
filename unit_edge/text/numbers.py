"""Numbers in texts of strangers."""

from __future__ import annotations

import re
from fractions import Fraction

_DIGITS_AT_MOST = 18  # those of 64 bits; of some thousands Python makes no number


def whole_number(text: str) -> int | None:
    """The number that a text of 1 to 18 of the digits 0 to 9 is; None if it is anything else."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _DIGITS_AT_MOST else None


_FRACTION = re.compile(r"(-?[0-9]{1,18})(?:/([0-9]{1,18}))?")


def fraction(text: object) -> Fraction | None:
    """What `str` has made of a Fraction; None of anything else, such as 1e999999999, which takes minutes."""
    found = _FRACTION.fullmatch(text) if isinstance(text, str) else None
    if found is None or (found[2] and not int(found[2])):
        return None
    return Fraction(int(found[1]), int(found[2] or 1))
