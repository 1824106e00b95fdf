"""Decoded images in memory, up to a limit."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
from numpy.typing import NDArray


class ImageCache:
    """Keeps what fits and lets go of nothing, which suits images that are each wanted once an epoch."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.used_bytes = 0
        self._images: dict[Hashable, NDArray[np.uint8]] = {}

    def get(self, key: Hashable) -> NDArray[np.uint8] | None:
        """The array itself, not a copy; it is not to be changed."""
        return self._images.get(key)

    def put(self, key: Hashable, image: NDArray[np.uint8]) -> None:
        """Keeps an image, unless it is there or there is no room for it."""
        if key in self._images or self.used_bytes + image.nbytes > self.limit_bytes:
            return
        # a view would keep all of what it is a part of
        self._images[key] = image if image.base is None else image.copy()
        self.used_bytes += image.nbytes

    def clear(self, limit_bytes: int) -> None:
        """Forgets all images, and from now on keeps so many bytes."""
        self.limit_bytes, self.used_bytes = limit_bytes, 0
        self._images.clear()
