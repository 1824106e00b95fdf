"""Boards by their names and their families'."""

from __future__ import annotations

import difflib

from unit_edge.boards.board import Board
from unit_edge.boards.table import BOARDS
from unit_edge.errors import ConfigError

USUAL = {
    "orin-nano": "orin-nano-8gb",
    "orin-nx": "orin-nx-16gb",
    "agx-orin": "agx-orin-64gb",
    "xavier": "xavier-nx",
    "thor": "thor-t5000",
    "raspberry-pi": "raspberry-pi-5",
}
"""Families, each with the board that its name alone stands for: the usual one, without Super mode."""


def all_boards() -> tuple[Board, ...]:
    """Every board that is known, small ones first within a family."""
    return BOARDS


def find_board(name: str) -> Board:
    """A board by its name, or by its family's (`USUAL`).

    Raises:
        ConfigError: there is none of that name; the message has the nearest.
    """
    boards = {board.name: board for board in all_boards()}
    if (usual := USUAL.get(name, name)) in boards:
        return boards[usual]
    wanted = name.lower().replace("_", "-").strip()
    if holding := [board for board in boards if wanted and wanted in board]:
        raise ConfigError(f"unknown board {name!r}; did you mean {', '.join(holding)}?")
    near = difflib.get_close_matches(wanted, boards, 1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(boards)}"
    raise ConfigError(f"unknown board {name!r}; {hint}" + (" `unit-edge boards` lists all" if near else ""))
