"""The images of a domain: files, or halves of files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from unit_edge.errors import DataError
from unit_edge.media import images


@dataclass(frozen=True)
class ImageItem:
    """An image of a domain: a file, or the left or right half of one."""

    path: Path
    half: Literal["", "left", "right"] = ""

    def __str__(self) -> str:
        return f"{self.path} ({self.half} half)" if self.half else str(self.path)


def read_image(item: ImageItem) -> NDArray[np.uint8]:
    """Decodes an image, or a half of one; of an odd width, both halves leave the middle column out.

    Returns:
        uint8[H,W,3], BGR, contiguous.

    Raises:
        ImageError: see `images.read_image`.
        DataError: it is too narrow for two halves.
    """
    image = images.read_image(item.path)
    if item.half:
        middle = image.shape[1] // 2
        if middle == 0:
            raise DataError(f"{item.path}: can't be read as an image of two halves: it is 1 pixel wide")
        image = image[:, :middle] if item.half == "left" else image[:, image.shape[1] - middle :]
    return np.ascontiguousarray(image)
