"""Pictures as PNG files."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from unit_edge.errors import SinkError


def png_bytes(image: NDArray[np.uint8], compression: int | None = None) -> bytes:
    """A picture, uint8[H,W,3] BGR or uint8[H,W], as the content of a PNG file.

    Args:
        image: the picture.
        compression: 0 to 9, of zlib; None for OpenCV's own choice.

    Raises:
        SinkError: it is too large for the format.
    """
    parameters = [] if compression is None else [cv2.IMWRITE_PNG_COMPRESSION, compression]
    done, data = cv2.imencode(".png", image, parameters)
    if not done:
        raise SinkError(f"{image.shape[1]}x{image.shape[0]} pixels can't be encoded as PNG")
    return data.tobytes()
