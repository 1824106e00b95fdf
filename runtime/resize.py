"""Pictures at another size: a model's, an output's."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from unit_edge.runtime.backends.base import Runner


class Fit:
    """Pictures to the size that a model takes, and back; those that fit stay as they are."""

    def __init__(self, runner: Runner) -> None:
        _, self._height, self._width, _ = runner.manifest.input.shape

    def to_model(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """uint8[H,W,3] to the model's own height and width, where it has them."""
        height, width = image.shape[:2]
        return resized(image, self._width or width, self._height or height)

    def back(self, image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
        """uint8[h,w,3] from the model to the size that the frame had."""
        return resized(image, width, height)


def resized(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """The picture at another size: area means where it shrinks, cubic where it grows."""
    old_height, old_width = image.shape[:2]
    if (old_width, old_height) == (width, height):
        return image
    shrinks = width * height < old_width * old_height
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (width, height), interpolation=method), dtype=np.uint8)
