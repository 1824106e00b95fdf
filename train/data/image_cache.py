"""Decoded images in memory, up to a limit; of one process, or shared by all that it forks."""

from __future__ import annotations

import mmap
import multiprocessing
from collections.abc import Hashable, Iterable

import numpy as np
from numpy.typing import NDArray


class ImageCache:
    """Keeps what fits and lets go of nothing, which suits images that are each wanted once an epoch."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self._own_bytes = 0
        self._images: dict[Hashable, NDArray[np.uint8]] = {}
        self._block: _Block | None = None

    @property
    def used_bytes(self) -> int:
        """The bytes of all images that are kept."""
        return self._own_bytes if self._block is None else self._block.used_bytes

    def get(self, key: Hashable) -> NDArray[np.uint8] | None:
        """The array itself, not a copy; it is not to be changed."""
        return self._images.get(key) if self._block is None else self._block.get(key)

    def put(self, key: Hashable, image: NDArray[np.uint8]) -> None:
        """Keeps an image, unless it is there or there is no room for it."""
        if self._block is not None:
            self._block.put(key, image)
            return
        if key in self._images or self._own_bytes + image.nbytes > self.limit_bytes:
            return
        # a view would keep all of what it is a part of
        self._images[key] = image if image.base is None else image.copy()
        self._own_bytes += image.nbytes

    def clear(self, limit_bytes: int) -> None:
        """Forgets all images, and from now on keeps so many bytes."""
        self.limit_bytes, self._own_bytes, self._block = limit_bytes, 0, None
        self._images.clear()

    def share(self, limit_bytes: int, keys: Iterable[Hashable]) -> None:
        """Forgets all images; those of `keys` that come now are kept once for all forks."""
        self.clear(limit_bytes)
        self._block = _Block(limit_bytes, keys)


def can_share() -> bool:
    """Whether the processes that a data loader starts here are forks, which have this one's mapped memory."""
    return multiprocessing.get_start_method() == "fork"


class _Block:
    """One piece of memory, mapped into all forks, with a table of what lies where; it fills from its start.

    Pages that nothing was written to take no memory.
    """

    def __init__(self, limit_bytes: int, keys: Iterable[Hashable]) -> None:
        self._places = {key: place for place, key in enumerate(dict.fromkeys(keys))}
        self._lock = multiprocessing.Lock()
        # where an image begins, its shape and how many bytes are used: 0 of all while there is none
        table = mmap.mmap(-1, max(1, (len(self._places) + 1) * 4 * 8))
        self._table = np.frombuffer(table, np.int64).reshape(-1, 4)
        self._limit = limit_bytes
        self._bytes = np.frombuffer(mmap.mmap(-1, max(1, limit_bytes)), np.uint8)

    @property
    def used_bytes(self) -> int:
        return int(self._table[-1, 0])

    def get(self, key: Hashable) -> NDArray[np.uint8] | None:
        place = self._places.get(key)
        if place is None:
            return None
        with self._lock:
            begin, *shape = self._table[place].tolist()
        if not shape[0]:
            return None
        size = shape[0] * shape[1] * shape[2]
        return np.asarray(self._bytes[begin : begin + size].reshape(shape), np.uint8)

    def put(self, key: Hashable, image: NDArray[np.uint8]) -> None:
        place = self._places.get(key)
        if place is None or image.ndim != 3:
            return
        with self._lock:
            begin = self.used_bytes
            if self._table[place, 1] or begin + image.nbytes > self._limit:
                return
            self._bytes[begin : begin + image.nbytes] = image.reshape(-1)
            self._table[-1, 0] = begin + image.nbytes
            self._table[place] = begin, *image.shape
