"""What a plain PyAV loop says of a media file: the tests' second opinion."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray


def grey(index: int, size: tuple[int, int] = (64, 48)) -> NDArray[np.uint8]:
    """uint8[H,W,3]: a grey that tells which frame it is, for up to 24 frames."""
    return np.full((size[1], size[0], 3), 20 + 9 * (index % 24), np.uint8)


def frame_number(image: NDArray[np.uint8]) -> int:
    """Which `grey` frame an image is, after compression."""
    return round((float(image.mean()) - 20) / 9)


def yuv420(image: NDArray[np.uint8], matrix: int, *, full_range: bool = False) -> NDArray[np.uint8]:
    """uint8[H*3/2,W]: BGR as planar YUV 4:2:0, by the formulas of BT.709 (1) or BT.601 (5, 6)."""
    red, blue = (0.2126, 0.0722) if matrix == 1 else (0.299, 0.114)
    b, g, r = (image[..., channel].astype(float) for channel in range(3))
    y = red * r + (1 - red - blue) * g + blue * b
    u, v = (b - y) / (2 * (1 - blue)), (r - y) / (2 * (1 - red))
    if not full_range:
        y, u, v = 16 + y * 219 / 255, u * 224 / 255, v * 224 / 255
    height, width = y.shape
    halved = [128 + c.reshape(height // 2, 2, width // 2, 2).mean((1, 3)) for c in (u, v)]
    planes = np.concatenate([y.ravel(), *(c.ravel() for c in halved)]).reshape(-1, width)
    return np.clip(np.rint(planes), 0, 255).astype(np.uint8)


def frame_times(path: Path) -> list[Fraction]:
    """Presentation times in seconds of a file's frames, by a plain PyAV loop."""
    with av.open(str(path)) as container:
        return [frame.pts * frame.time_base for frame in container.decode(video=0)]


def packets(path: Path, kind: str) -> list[tuple[Fraction, bytes]]:
    """(time in seconds, payload) of the packets of the first stream of a kind."""
    with av.open(str(path)) as container:
        return [
            (packet.pts * packet.time_base, bytes(packet))
            for packet in container.demux(**{kind: 0})
            if packet.size
        ]
