"""What flows through the runtime: one frame, and what is known of the video it is from."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

FRAME_SIDES = (32, 8192)
"""The smallest and the largest width or height of a frame that a model takes, in pixels."""

ASPECT_AT_MOST = 16
ELONGATED = f"one side is more than {ASPECT_AT_MOST} times the other; crop it first"


def elongated(width: int, height: int) -> bool:
    """Whether a network that sees its short side enlarged would take all memory for the long one."""
    return max(width, height) > ASPECT_AT_MOST * min(width, height)


NETWORK_MULTIPLE = 4
"""Sides of the image that E and G see are multiples of it: E halves them twice."""

OVERSAMPLING = 4
"""Samples a side of which each small pixel is the mean.

Against area averaging (PSNR, the worst of 9 street clips and 2 images at their own size, 1280x720 and
1920x1080, shrunk to short side 144): 1: 29 dB, 2: 44, 3: 51, 4: 53. On thin bright lines at 1280x720,
the source of flicker: 21, 37, 41, 50 dB. Cost there in ONNX Runtime on one core: 3: 1.9 ms, 4: 3.3 ms.
"""


def shrunk_size(height: int, width: int, shortest: int, short_side: int) -> tuple[int, int]:
    """Height and width of a frame shrunk to a short side, its aspect ratio kept to multiples of 4.

    Sizes may be symbols of torch, and so `shortest`, the smaller of the two, is the caller's.
    """
    half = NETWORK_MULTIPLE // 2
    h, w = ((short_side * side // shortest + half) // NETWORK_MULTIPLE for side in (height, width))
    return h * NETWORK_MULTIPLE, w * NETWORK_MULTIPLE


@dataclass(frozen=True)
class Colour:
    """How a video's YUV becomes RGB, in the code points of ITU-T H.273 that every container uses.

    Attributes:
        matrix: 1 is BT.709, 5 and 6 are BT.601, 9 is BT.2020.
        primaries: 1 is BT.709, 6 is SMPTE 170M.
        transfer: 1 is BT.709, 6 is SMPTE 170M.
    """

    matrix: int = 1
    primaries: int = 1
    transfer: int = 1


@dataclass(frozen=True)
class Frame:
    """One picture of a video.

    Attributes:
        image: uint8[H,W,3], BGR as OpenCV has it.
        index: 0 for the first frame of the source.
        pts: presentation time in seconds from the start of the source.
        duration: seconds that it is shown; 0 where the source doesn't say.
        captured_s: when it arrived from a live source, on the clock of time.monotonic(); else None.
        before: of a translated frame, the picture that it was made from, or None where nobody needs it.
    """

    image: NDArray[np.uint8]
    index: int
    pts: Fraction
    duration: Fraction = Fraction(0)
    captured_s: float | None = None
    before: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class VideoInfo:
    """What a source knows of its frames before it reads them.

    Attributes:
        width: of an upright frame, in pixels.
        height: of an upright frame, in pixels.
        fps: frames a second, exactly (29.97 is 30000/1001); nominal where the rate varies.
        frame_count: as the container states it, or None where it does not.
        has_audio: whether an audio stream can be carried along.
        time_base: seconds; every pts is a multiple of it.
        pixel_aspect: width of a pixel over its height.
        colour: of the pixels before they became BGR.
    """

    width: int
    height: int
    fps: Fraction
    frame_count: int | None = None
    has_audio: bool = False
    time_base: Fraction = Fraction(1, 90_000)
    pixel_aspect: Fraction = Fraction(1)
    colour: Colour = Colour()
