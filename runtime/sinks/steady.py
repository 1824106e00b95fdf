"""Takes the flicker out of a translated video: colours follow what moves, details stay the frame's own.

A translated frame is compared with the one before, brought to it by the optical flow between the input
frames. What differs there, in places that the flow explains, is flicker: a share of it is taken back. That
happens at a moderate size, and only the correction is enlarged, so full-size detail is hardly blurred.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from unit_edge.frames import Frame
from unit_edge.runtime.sinks.base import FrameSink
from unit_edge.runtime.sinks.passing import PassingSink

Image = NDArray[np.uint8]
Floats = NDArray[np.float32]

LONG_SIDE = 640
"""Of the size that flicker is looked for at, in pixels."""

FLOW_SIDE = 320
"""Of the size that motion is looked for at, in pixels."""

SHARE = 0.8
"""Of the difference to the frame before that is taken back."""

_SIGMA = 12.0
"""Levels by which the flow is wrong where two thirds of the correction are given up."""

_NO_MAP: Any = None  # remap's second one, which OpenCV's types ask for

_CUT = 0.4
"""A mean trust in the flow below it is another scene."""


class Steadier:
    """Steadies frames one after the other."""

    def __init__(self, share: float = SHARE) -> None:
        self._share = share
        self._flow: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._grey: Image | None = None  # the frame before, small
        self._after: Floats | None = None  # its steadied translation, small

    def steady(self, before: Image, after: Image) -> Image:
        """Takes flicker out of a translation.

        Args:
            before: the frame, uint8[H,W,3], BGR.
            after: its translation, of the same size.

        Returns:
            uint8[H,W,3], an array of its own or `after`.
        """
        height, width = after.shape[:2]
        grey = cv2.cvtColor(_small(before, FLOW_SIDE), cv2.COLOR_BGR2GRAY)
        small = _small(after, LONG_SIDE).astype(np.float32)
        known, self._grey = self._grey, np.asarray(grey, np.uint8)
        earlier, self._after = self._after, small
        if known is None or earlier is None or known.shape != grey.shape or earlier.shape != small.shape:
            return after
        flow: Any = self._flow.calc(self._grey, known, None)
        trust = self._trust(known, flow)
        if trust.mean() < _CUT:
            return after
        size = small.shape[1], small.shape[0]
        flow = cv2.resize(flow, size) * np.float32(size[0] / grey.shape[1])
        correction: Any = (_moved(earlier, flow) - small) * cv2.resize(self._share * trust, size)[..., None]
        correction = cv2.GaussianBlur(correction, (0, 0), 1.0)
        self._after = small + correction
        levels: Any = np.round(correction).astype(np.int16)
        if size != (width, height):
            levels = cv2.resize(levels, (width, height), interpolation=cv2.INTER_LINEAR)
        return np.asarray(cv2.add(after, levels, dtype=cv2.CV_8U), np.uint8)

    def _trust(self, known: Image, flow: Floats) -> Floats:
        """How well the flow explains each place of the new frame, float[h,w] in [0, 1]."""
        assert self._grey is not None
        error: Any = cv2.absdiff(_moved(known, flow, cv2.BORDER_CONSTANT), self._grey).astype(np.float32)
        error = cv2.GaussianBlur(error, (0, 0), 1.5)
        return np.asarray(np.exp(-((error / _SIGMA) ** 2)), np.float32)


def _small(image: Image, side: int) -> Image:
    """The picture with a long side of at most `side` pixels."""
    height, width = image.shape[:2]
    scale = min(1.0, side / max(height, width))
    # the flow needs some pixels of both sides
    size = max(16, round(width * scale)), max(16, round(height * scale))
    if size == (width, height):
        return image
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _moved(image: Any, flow: Floats, border: int = cv2.BORDER_REPLICATE) -> Any:
    """The earlier picture as seen from the new one, out(p) = image(p + flow(p)), bilinear."""
    height, width = flow.shape[:2]
    where = flow + np.dstack(np.meshgrid(np.arange(width), np.arange(height))).astype(np.float32)
    return cv2.remap(image, where, _NO_MAP, cv2.INTER_LINEAR, borderMode=border, borderValue=0)


class SteadySink(PassingSink):
    """Steadies frames on their way to a sink; they need their `before`."""

    def __init__(self, sink: FrameSink, steadier: Steadier | None = None) -> None:
        super().__init__(sink)
        self._steadier = steadier or Steadier()

    def passed(self, frame: Frame) -> Frame:
        if frame.before is None:
            return frame
        return replace(frame, image=self._steadier.steady(frame.before, frame.image))
