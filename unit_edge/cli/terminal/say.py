"""The one way in which commands print: nothing that a file says reaches the terminal as a command to it."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from typing import Any

import typer

from unit_edge.text.printable import printable

_HINT = "pip "


def echo(text: str, *, err: bool = False) -> None:
    """Prints a text on stdout, or stderr; what the terminal's encoding lacks is written out."""
    text = _fitting(text)
    encoding = getattr(sys.stderr if err else sys.stdout, "encoding", None) or "utf-8"
    shown = printable(text).encode(encoding, "backslashreplace").decode(encoding)
    typer.echo(shown, err=err)  # noqa: TID251


def terminal_width() -> int | None:
    """Columns of the terminal that stdout is, 20 at least; None where it is none."""
    return max(20, shutil.get_terminal_size().columns) if sys.stdout.isatty() else None


def echo_wide(text: str, indent: int = 4) -> None:
    """Prints lines that may be wider than a terminal: there they go on below, indented, between words."""
    text, width = _fitting(text), terminal_width()
    if width is not None:
        indent = min(indent, width // 3)
        options = {"break_long_words": False, "break_on_hyphens": False}
        lines = [
            textwrap.wrap(line, width, subsequent_indent=" " * indent, **options)  # type: ignore[arg-type]
            if len(line) > width
            else [line]
            for line in text.split("\n")
        ]
        text = "\n".join(part for parts in lines for part in parts)
    echo(text)


def _fitting(text: str) -> str:
    """With commands that install extras as they work for this copy."""
    if _HINT not in text:
        return text
    from unit_edge.machine.installation import fitting

    return fitting(text)


def echo_json(content: Any) -> None:
    """Prints what programs read, as the last line of stdout; not on a terminal, where people read."""
    if sys.stdout.isatty():
        return
    echo(content if isinstance(content, str) else json.dumps(content))
