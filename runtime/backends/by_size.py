"""What is made for frames of one size, and kept for the last few sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
Shape = tuple[int, ...]


class BySize(Generic[T]):
    """Makes a thing for each shape of frames that comes; of more than `kept`, the one unused longest goes."""

    def __init__(self, make: Callable[[Shape], T], kept: int) -> None:
        self._make, self._kept = make, kept
        self._made: dict[Shape, T] = {}

    def of(self, shape: Shape) -> T:
        """The one for frames of a shape."""
        made = self._made.pop(shape, None)
        if made is None:
            while len(self._made) >= self._kept:
                del self._made[next(iter(self._made))]
            made = self._make(shape)
        self._made[shape] = made
        return made

    def clear(self) -> None:
        """Lets go of all."""
        self._made.clear()
