"""A guide: a renderer of one target domain, and the segmentation that it works from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

Prepare = Callable[[Image, Image], Image]
"""(image, classes) → all that is the same in every rendering of the image, as bytes: uint8[1,1,n], say."""

Render = Callable[[Image, Image, np.random.Generator], Image]
"""(image, what was prepared of it, rng) → image of the target domain.

The same generator state gives the same picture.
"""


def classes_alone(image: Image, classes: Image) -> Image:
    """The `Prepare` of a renderer that works from the classes."""
    return classes


@dataclass(frozen=True)
class Renderer:
    """Renders images of domain 1 as domain 2 would show them.

    Images are uint8[H,W,3], BGR; classes are uint8[h,w,11], probabilities times 255 in the order of
    `SceneClass`. What is prepared can be kept, and makes the next rendering of that image cheap.
    """

    render: Render
    prepare: Prepare = classes_alone

    def __call__(self, image: Image, classes: Image, rng: np.random.Generator) -> Image:
        """One rendering; the same generator state gives the same picture."""
        return self.render(image, self.prepare(image, classes), rng)


@dataclass(frozen=True)
class Guide:
    """A renderer and where its classes come from, in training only."""

    render: Render
    classes: Callable[[Image], Image]
    """Image → its classes, see `segmentation.Segmenter`."""
    prepare: Prepare = classes_alone

    def known(self, image: Image) -> Image:
        """All that its renderings have in common, see `Prepare`."""
        return self.prepare(image, self.classes(image))

    def __call__(self, image: Image, prepared: Image, rng: np.random.Generator) -> Image:
        """The rendering of an image, see `Render`."""
        return self.render(image, prepared, rng)
