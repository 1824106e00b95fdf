"""Decoded frames to BGR and back, by the colour tags that they carry."""

from __future__ import annotations

import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from unit_edge.frames import Colour

# swscale's shortcuts truncate: there and back they darken a video by one or two levels. These are
# SWS_BILINEAR, FULL_CHR_H_INT, FULL_CHR_H_INP and ACCURATE_RND; not every PyAV has names for them.
_EXACT = 1 << 1 | 1 << 13 | 1 << 14 | 1 << 18
# Of these, in even sizes, swscale makes the same bytes as planes, in two thirds of the time.
_FAST_AS_PLANES = ("yuv420p", "yuvj420p", "nv12", "yuv420p10le")
_LIMITED_RANGE = 1
_UNSPECIFIED = 2
# H.273 matrix → swscale's number for the same coefficients
_SWS_MATRIX = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}


def colour_of(frame: VideoFrame) -> Colour:
    """The colour tags of a decoded frame; what is not tagged is guessed by size, as browsers do."""
    high_definition = frame.width >= 1280 or frame.height > 576
    matrix = int(frame.colorspace)
    if matrix not in _SWS_MATRIX:
        matrix = 1 if high_definition else 6
    default = 6 if matrix in (4, 5, 6, 7) else 1
    primaries, transfer = int(frame.color_primaries), int(frame.color_trc)
    return Colour(
        matrix=matrix,
        primaries=default if primaries in (0, _UNSPECIFIED) else primaries,
        transfer=default if transfer in (0, _UNSPECIFIED) else transfer,
    )


class ToBgr:
    """Decoded frames to BGR arrays of one size, with one converter for the whole video."""

    def __init__(self, width: int, height: int) -> None:
        self._width, self._height = width, height
        self._reformatter = VideoReformatter()

    def __call__(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """uint8[height,width,3], BGR, contiguous."""
        size = frame.width, frame.height
        even = size == (self._width, self._height) and not any(side % 2 for side in size)
        planar = even and frame.format.name in _FAST_AS_PLANES
        converted = self._reformatter.reformat(
            frame,
            self._width,
            self._height,
            "gbrp" if planar else "bgr24",
            src_colorspace=_SWS_MATRIX[colour_of(frame).matrix],
            interpolation=_EXACT,
        )
        if not planar:
            return np.ascontiguousarray(converted.to_ndarray(), dtype=np.uint8)
        green, blue, red = (
            np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[:, : self._width]
            for plane in converted.planes
        )
        return np.asarray(cv2.merge([blue, green, red]), np.uint8)


class FromBgr:
    """BGR arrays to frames for an encoder: YUV 4:2:0, limited range."""

    def __init__(self, matrix: int) -> None:
        self._matrix = _SWS_MATRIX[matrix]
        self._reformatter = VideoReformatter()

    def __call__(self, image: NDArray[np.uint8]) -> VideoFrame:
        """A yuv420p frame of the same size; height and width of the image must be even."""
        frame = VideoFrame.from_numpy_buffer(np.ascontiguousarray(image), "bgr24")
        return self._reformatter.reformat(
            frame,
            format="yuv420p",
            dst_colorspace=self._matrix,
            dst_color_range=_LIMITED_RANGE,
            interpolation=_EXACT,
        )
