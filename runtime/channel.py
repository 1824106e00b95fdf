"""A bounded queue between two threads that either side can close."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

_WAIT_S = 0.2  # so that the main thread gets to run its signal handlers on every system


class Channel(Generic[T]):
    """Hands items from one thread to another, in order; a full channel holds the giver up."""

    def __init__(self, size: int) -> None:
        self._items: deque[T] = deque()
        self._size = size
        self._changed = threading.Condition()
        self._no_more_in = False
        self._no_more_out = False

    def put(self, item: T) -> bool:
        """Waits for room; False if the taker has left, and the item is dropped."""
        with self._changed:
            while len(self._items) >= self._size and not self._no_more_out:
                self._changed.wait(_WAIT_S)
            if self._no_more_out:
                return False
            self._items.append(item)
            self._changed.notify_all()
            return True

    def __iter__(self) -> Iterator[T]:
        """Items until the giver has ended and all are taken, or the taker has left."""
        while True:
            with self._changed:
                while not self._items and not self._no_more_in and not self._no_more_out:
                    self._changed.wait(_WAIT_S)
                if self._no_more_out or not self._items:
                    return
                item = self._items.popleft()
                self._changed.notify_all()
            yield item

    def end(self) -> None:
        """The giver has no more; what is in the channel can still be taken."""
        with self._changed:
            self._no_more_in = True
            self._changed.notify_all()

    def leave(self) -> None:
        """The taker wants no more; what is in the channel is dropped."""
        with self._changed:
            self._no_more_out = True
            self._items.clear()
            self._changed.notify_all()
