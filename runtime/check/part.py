"""The protocol of what looks at pairs of frames."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from unit_edge.runtime.check.found import Found
from unit_edge.runtime.check.pairs import Pair
from unit_edge.runtime.check.section import Section

Table = list[dict[str, Any]]
"""Rows that share their keys."""


@dataclass(frozen=True)
class Answer:
    """What a part has found.

    Attributes:
        figures: for JSON.
        sections: for people.
        tables: file name → rows, for CSV.
    """

    figures: dict[str, Any]
    sections: list[Section]
    tables: dict[str, Table] = field(default_factory=dict)


class CheckPart(Protocol):
    """One question about the translation: sees every pair once, and answers in the end."""

    name: str
    """Of its entry in the report."""

    def see(self, pair: Pair, found: Found | None) -> None:
        """Takes a pair, with the detections on it if there is a detector; keeps little of it."""

    def answer(self) -> Answer:
        """What was found; to be called once all is seen."""
