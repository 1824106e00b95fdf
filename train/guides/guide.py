"""A guide: a renderer of one target domain, and the segmentation that it works from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Render = Callable[[NDArray[np.uint8], NDArray[np.uint8], np.random.Generator], NDArray[np.uint8]]
"""(image, classes, rng) → image of the target domain.

Images are uint8[H,W,3], BGR; classes are uint8[h,w,11], probabilities times 255 in the order of `SceneClass`.
The same generator state gives the same picture.
"""


@dataclass(frozen=True)
class Guide:
    """Renders images of domain 1 as domain 2 would show them, in training only."""

    render: Render
    classes: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
    """Image → its classes, see `segmentation.Segmenter`."""

    def __call__(
        self, image: NDArray[np.uint8], classes: NDArray[np.uint8], rng: np.random.Generator
    ) -> NDArray[np.uint8]:
        """The rendering, see `Render`."""
        return self.render(image, classes, rng)
