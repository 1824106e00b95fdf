"""Frames together: models that were exported for a batch take several in one call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from unit_edge.runtime.backends.base import Runner

Image = NDArray[np.uint8]
T = TypeVar("T")


def in_batches(items: Iterable[T], count: int, image_of: Callable[[T], Image]) -> Iterator[list[T]]:
    """Neighbours in groups of `count`; smaller ones at the end and where the size of the images changes."""
    group: list[T] = []
    for item in items:
        if group and image_of(item).shape != image_of(group[0]).shape:
            yield group
            group = []
        group.append(item)
        if len(group) == count:
            yield group
            group = []
    if group:
        yield group


def stacked(images: Sequence[Image], count: int) -> NDArray[np.uint8]:
    """uint8[count,H,W,3] of at most `count` images uint8[H,W,3]; the last one fills the places left."""
    if count == 1:
        return images[0][np.newaxis]
    return np.stack([*images, *[images[-1]] * (count - len(images))])


def infer_images(runner: Runner, images: Sequence[Image]) -> NDArray[np.uint8]:
    """Translates images of one size, at most a batch of them: uint8[len(images),H,W,3]."""
    return runner.infer(stacked(images, runner.manifest.batch))[: len(images)]
