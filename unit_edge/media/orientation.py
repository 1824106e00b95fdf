"""How a stored picture becomes upright."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray


@dataclass(frozen=True)
class Orientation:
    """How a stored picture becomes upright: first transposed, then flipped."""

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @classmethod
    def of_exif(cls, number: int) -> Orientation:
        """The orientation that an EXIF tag, 1 to 8, states."""
        return cls(number >= 5, number in (2, 3, 6, 7), number in (3, 4, 7, 8))

    @classmethod
    def of(cls, frame: VideoFrame) -> Orientation:
        """What the display matrix of cameras and phones states, to the nearest quarter turn."""
        matrix: Any = frame.side_data.get("DISPLAYMATRIX")
        if matrix is None:
            return cls()
        a, b, _, c, d, *_ = struct.unpack("=9i", bytes(matrix))  # x' = ax + cy, y' = bx + dy
        if abs(a) >= abs(b):
            return cls(False, a < 0, d < 0)
        return cls(True, c < 0, b < 0)

    def apply(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The upright picture; the same array where it already is."""
        if self.transpose:
            image = _as_uint8(cv2.transpose(image))
        if self.flip_x or self.flip_y:
            code = -1 if self.flip_x and self.flip_y else int(self.flip_x)  # as cv2.flip has it
            image = _as_uint8(cv2.flip(image, code))
        return image


def _as_uint8(array: NDArray[np.generic] | cv2.Mat) -> NDArray[np.uint8]:
    return np.asarray(array, dtype=np.uint8)
