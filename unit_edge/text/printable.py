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


def one_line(said: object, limit: int | None = None) -> str:
    """A text, or an error's, on one line and printable; an error that says nothing is called by its type.

    Args:
        said: the text or error.
        limit: the most characters of it; what is longer ends with an ellipsis.
    """
    text = printable(" ".join(str(said).split()))
    if not text and isinstance(said, BaseException):
        text = type(said).__name__
    return text if limit is None or len(text) <= limit else text[: limit - 1] + "…"


def is_named(count: int) -> bool:
    """Whether the count-th of many alike is told of: the first three, then whenever they have doubled."""
    return count < 4 or count & (count - 1) == 0


def _written_out(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"  # as JSON has it, so that JSON stays that
