"""Names and texts of strangers, for a terminal: what would steer it, or can't be encoded, is written out."""

from __future__ import annotations

import re

# C0 and C1 controls, DEL, what turns the direction of writing, line and paragraph separators, half characters
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: str) -> str:
    """The text with line feeds and tabs as they are, and other controls as \\u001b."""
    return _UNPRINTABLE.sub(_written_out, text)


def one_line(text: object) -> str:
    """The same on one line."""
    return printable(" ".join(str(text).split()))


def _written_out(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"  # as JSON has it, so that JSON stays that
