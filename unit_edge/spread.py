"""A few of many, spread over them: which frames are looked at, scored or shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def spread_places(length: int, count: int) -> list[int]:
    """At most `count` places in a list, at equal distances, the first and the last among them."""
    taken = min(count, length)
    step = (length - 1) / (taken - 1) if taken > 1 else 0.0
    return [round(index * step) for index in range(taken)]


def spread(items: Sequence[T], count: int) -> list[T]:
    """At most `count` items, spread over a list, in its order."""
    return [items[place] for place in spread_places(len(items), count)]


def first_of_parts(items: Sequence[T], count: int) -> list[T]:
    """The first item of each of at most `count` parts of a list, as long as each other."""
    parts = min(count, len(items))
    return [items[part * len(items) // parts] for part in range(parts)]
