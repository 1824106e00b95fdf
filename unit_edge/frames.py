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
