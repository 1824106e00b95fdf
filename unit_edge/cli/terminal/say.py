"""The one way in which commands print: nothing that a file says reaches the terminal as a command to it."""

from __future__ import annotations

import json
import sys
from typing import Any

import typer

from unit_edge.text.printable import printable

_HINT = '"unit-edge['


def echo(text: str, *, err: bool = False) -> None:
    """Prints a text on stdout, or stderr; what the terminal's encoding lacks is written out."""
    if _HINT in text:
        from unit_edge.machine.installation import fitting

        text = fitting(text)
    encoding = getattr(sys.stderr if err else sys.stdout, "encoding", None) or "utf-8"
    shown = printable(text).encode(encoding, "backslashreplace").decode(encoding)
    typer.echo(shown, err=err)


def echo_json(content: Any) -> None:
    """Prints what programs read, as the last line of stdout; not on a terminal, where people read."""
    if sys.stdout.isatty():
        return
    echo(content if isinstance(content, str) else json.dumps(content))
