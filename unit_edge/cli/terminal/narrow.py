"""Help on terminals that are narrower than what it is made for."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import Any

from typer.core import TyperGroup

_LEAST = 50
"""Below this many columns there is no room for two of them."""


def fit_help() -> int | None:
    """The width of help on this terminal, where it is a narrow one: what an option does then stands below it.

    Else None: as wide as the terminal, and not too wide to be read.
    """
    columns = shutil.get_terminal_size().columns
    if columns >= _LEAST:
        return None
    context: Any = TyperGroup.context_class
    base: Any = context.formatter_class

    class Narrow(base):  # type: ignore[misc]
        def write_dl(self, rows: Sequence[tuple[str, str]], col_max: int = 6, col_spacing: int = 2) -> None:
            super().write_dl(rows, min(col_max, 6), col_spacing)

    context.formatter_class = Narrow
    return max(20, columns)
