"""What a part of a check says: text, a table and pictures under a heading."""

from __future__ import annotations

from dataclasses import dataclass, field

TableRows = list[list[str]]
"""A table; its first row is the header."""


@dataclass(frozen=True)
class Picture:
    """A PNG or JPEG file: its name, content, and caption."""

    name: str
    content: bytes
    caption: str


@dataclass(frozen=True)
class Section:
    """A heading with what is below it: text, a table whose first row is its header, and pictures."""

    title: str
    paragraphs: list[str] = field(default_factory=list)
    rows: TableRows = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
