"""A bounded queue between two threads that either side can close; one kind waits, the other drops."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

_WAIT_S = 0.2  # so that the main thread gets to run its signal handlers on every system


class Channel(Generic[T]):
    """Hands items from one thread to another, in order; a full channel holds the giver up."""

    def __init__(self, size: int, idle: Callable[[], bool] | None = None) -> None:
        """`idle` is called by the taker now and then while it waits; it ends the taking with True."""
        self._items: deque[T] = deque()
        self._size = size
        self._idle = idle or (lambda: False)
        self._changed = threading.Condition()
        self._no_more_in = False
        self._no_more_out = False
        self.dropped = 0  # that gave way to newer ones

    def put(self, item: T) -> bool:
        """Waits for room; False if the taker has left, and the item is dropped."""
        with self._changed:
            while not self._make_room() and not self._no_more_out:
                self._changed.wait(_WAIT_S)
            if self._no_more_out:
                return False
            self._items.append(item)
            self._changed.notify_all()
            return True

    def _make_room(self) -> bool:
        """Whether there is room for one more item."""
        return len(self._items) < self._size

    def worthwhile(self) -> bool:
        """Whether the giver shall make another item; False if the taker has left."""
        return not self._no_more_out

    def ready(self, count: int) -> bool:
        """Whether the taker would get `count` items, or as many as there is room for, without waiting."""
        with self._changed:
            enough = len(self._items) >= min(count, self._size)
            return enough or self._no_more_in or self._no_more_out

    def __iter__(self) -> Iterator[T]:
        """Items until the giver has ended and all are taken, or the taker has left."""
        while True:
            with self._changed:
                if not self._items and not self._no_more_in and not self._no_more_out:
                    self._changed.wait(_WAIT_S)
                if self._no_more_out or (self._no_more_in and not self._items):
                    return
                item = self._items.popleft() if self._items else None
                self._changed.notify_all()
            if item is not None:
                yield item
            elif self._idle():
                return

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


class Newest(Channel[T]):
    """Holds one item, the last that was given, in the place of the one before.

    So that the giver doesn't work for nothing, `worthwhile` waits until the taker is about to come back.
    """

    def __init__(self, idle: Callable[[], bool] | None = None) -> None:
        super().__init__(1, idle)
        self._away_since: float | None = None
        self._away_s = 0.0
        self._begun = time.monotonic()
        self._making_s = 0.0

    def put(self, item: T) -> bool:
        self._making_s = time.monotonic() - self._begun
        return super().put(item)

    def _make_room(self) -> bool:
        if self._items:
            self._items.clear()
            self.dropped += 1
        return True

    def worthwhile(self) -> bool:
        with self._changed:
            while not self._no_more_out:
                # Twice the time that the last one took: it may have been the shortest wait for a frame.
                early_s = 2 * self._making_s
                left_s = 0.0
                if self._away_since is not None:
                    left_s = self._away_since + self._away_s - early_s - time.monotonic()
                if left_s <= 0:
                    break
                self._changed.wait(min(left_s, _WAIT_S))
            self._begun = time.monotonic()
            return not self._no_more_out

    def __iter__(self) -> Iterator[T]:
        for item in super().__iter__():
            with self._changed:
                self._away_since = time.monotonic()
            yield item
            with self._changed:
                self._away_s = time.monotonic() - self._away_since
                self._away_since = None
                self._changed.notify_all()
