"""The one way in which commands print: nothing that a file says reaches the terminal as a command to it."""

from __future__ import annotations

import sys

import typer

from unit_edge.text.printable import printable


def echo(text: str, *, err: bool = False) -> None:
    """Prints a text on stdout, or stderr; what the terminal's encoding lacks is written out."""
    encoding = getattr(sys.stderr if err else sys.stdout, "encoding", None) or "utf-8"
    shown = printable(text).encode(encoding, "backslashreplace").decode(encoding)
    typer.echo(shown, err=err)
