"""The full-size rows of a frame, as the guided head has them: shrunk, and translated by its linear model.

OpenVINO compiles either into one pass over the bytes with nothing between, if the image it is given has as
many rows of the frame for each of the small image's. So these are gathered first, some at a time, which stay
in the cache of a core.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from unit_edge.runtime.backends.guided import Pixels, bands
from unit_edge.runtime.backends.linear_model import Floats
from unit_edge.runtime.backends.openvino.module import load_openvino

ov = load_openvino()
_BYTES = 1 << 20
"""Of a frame's rows at a time, about; a quarter of it and all of a frame were slower."""
Rows = NDArray[np.intp]


@dataclass(frozen=True)
class _Shrinking:
    """Some rows of the small image: the first, the int[n,c] rows of the frame, and their n weights, [c,1]."""

    first: int
    made_of: Rows
    weights: list[Any]


@dataclass(frozen=True)
class _Applying:
    """Some gaps between rows of the small image.

    Attributes:
        first: gap; that before the first row is 0.
        rows: int[c,n] of the frame that lie in them; some are there more than once.
        shares: of the row above each, and of the one below, [c,n,1].
        filled: rows of the frame.
        places: where in `rows` these are.
    """

    first: int
    rows: Rows
    shares: list[Any]
    filled: slice
    places: Rows


class RowPasses:
    """The two passes over frames of one size, compiled once; `frame_rows` makes what one frame needs.

    Args:
        core: of OpenVINO.
        frame: height and width of the frames.
        small: height and width of the image that E and G see.
        settings: of OpenVINO.
    """

    def __init__(
        self, core: Any, frame: tuple[int, int], small: tuple[int, int], settings: dict[str, Any]
    ) -> None:
        (height, self.width), (self.h, _) = frame, small
        values = 3 * self.width
        made_of, weights = _rows_to_shrink(height, self.h)
        size, firsts = _parts(self.h, len(made_of) * values)
        shrinking = _shrinking(len(made_of), size, values)
        self.shrinking = [
            _Shrinking(
                first,
                made_of[:, first : first + size],
                [_tensor(weight[first : first + size, None].copy()) for weight in weights],
            )
            for first in firsts
        ]
        rows, places, shares = _rows_between(height, self.h)
        many = rows.shape[1]
        size, firsts = _parts(self.h + 1, many * values)
        applying = _applying(size, many, values)
        self.applying = []
        for first in firsts:
            begin, end = np.searchsorted(places, [first * many, (first + size) * many])
            below = shares[first : first + size, :, None]
            if begin < end:
                part = _Applying(
                    first=first,
                    rows=rows[first : first + size],
                    shares=[_tensor(1 - below), _tensor(below.copy())],
                    filled=slice(begin, end),
                    places=places[begin:end] - first * many,
                )
                self.applying.append(part)
        settings = {**settings, "INFERENCE_PRECISION_HINT": "f32"}
        self.models = [core.compile_model(graph, "CPU", settings) for graph in (shrinking, applying)]

    def frame_rows(self) -> FrameRows:
        """Memory for one frame at a time."""
        return FrameRows(self)


class FrameRows:
    """What `GuidedFrames` does to whole rows, of frames of one size."""

    def __init__(self, passes: RowPasses) -> None:
        self._passes, values = passes, 3 * passes.width
        self._shrink, self._apply = (model.create_infer_request() for model in passes.models)
        self._made_of = np.empty((*passes.shrinking[0].made_of.shape, values), np.uint8)
        _give(self._shrink, [*self._made_of])
        self._shrunk = np.empty((passes.h, passes.width, 3), np.float32)
        size, many = passes.applying[0].rows.shape
        self._rows = np.empty((size, many, values), np.uint8)
        self._maps = [np.empty((size + 1, passes.width, 3), np.float32) for _ in "ab"]
        _give(
            self._apply,
            [
                self._rows,
                *(rows[at : at + size].reshape(size, 1, -1) for rows in self._maps for at in (0, 1)),
            ],
        )
        self._translated = np.empty_like(self._rows)
        self._apply.set_output_tensor(0, _tensor(self._translated))

    def shrink(self, frame: Pixels) -> Floats:
        """uint8[H,W,3] → float[h,W,3], each row the mean of OVERSAMPLING rows between those of the frame."""
        count, size, values = self._made_of.shape
        for part in self._passes.shrinking:
            _take(frame, part.made_of, self._made_of)
            for place, weight in enumerate(part.weights, count):
                self._shrink.set_input_tensor(place, weight)
            made = self._shrunk[part.first : part.first + size]
            self._shrink.set_output_tensor(0, _tensor(made.reshape(size, values)))
            self._shrink.infer()
        return self._shrunk

    def apply(self, frame: Pixels, a: Floats, b: Floats, out: Pixels) -> None:
        """Fills uint8[H,W,3] with a * frame + b, of float[h,w,3] each, enlarged."""
        small_maps = [cv2.copyMakeBorder(one, 1, 1, 0, 0, cv2.BORDER_REPLICATE) for one in (a, b)]
        for part in self._passes.applying:
            for small, rows in zip(small_maps, self._maps, strict=True):
                some = small[part.first : part.first + len(rows)]
                cv2.resize(some, (self._passes.width, len(rows)), rows, interpolation=cv2.INTER_LINEAR)
            _take(frame, part.rows, self._rows)
            for place, share in enumerate(part.shares, 5):
                self._apply.set_input_tensor(place, share)
            self._apply.infer()
            _take(self._translated, part.places, out[part.filled])


def _tensor(array: NDArray[Any]) -> Any:
    """The same memory."""
    return ov.Tensor(array, shared_memory=True)


def _give(request: Any, arrays: list[NDArray[Any]]) -> None:
    for place, array in enumerate(arrays):
        request.set_input_tensor(place, _tensor(array))


def _take(source: Pixels, rows: Rows, out: Pixels) -> None:
    values = out.size // rows.size
    # with another mode numpy would make a copy of `out` first
    np.take(source.reshape(-1, values), rows.ravel(), 0, out.reshape(-1, values), mode="clip")


def _parts(count: int, bytes_each: int) -> tuple[int, list[int]]:
    """How many of so many are worked on at a time, and the first of each time; the last two may overlap."""
    number = min(count, -(-count * bytes_each // _BYTES))
    size = -(-count // number)
    return size, [min(part * size, count - size) for part in range(number)]


def _rows_to_shrink(height: int, h: int) -> tuple[Rows, Floats]:
    """int[n,h] rows of a frame that make each of h rows, n enough for all, and their float[n,h] weights."""
    made_of = [
        [(begin + row, weight) for row, weight in enumerate(weights) if weight]
        for begin, _, weights in bands(height, h)
    ]
    count = max(map(len, made_of))
    filled = np.array([one + [(one[-1][0], 0)] * (count - len(one)) for one in made_of])
    return filled[..., 0].T.astype(np.intp), filled[..., 1].T.astype(np.float32)


def _rows_between(height: int, h: int) -> tuple[Rows, Rows, Floats]:
    """Which rows of a frame lie between two of h rows, or before the first and behind the last.

    Returns:
        int[h+1,n] rows, n enough for all; int[height] where in these each row is; float[h+1,n] their
        distance from the upper one.
    """
    at = (np.arange(height) + 0.5) * (h / height) - 0.5
    above = np.floor(at).astype(np.intp)
    counts = np.bincount(above + 1, minlength=h + 1)
    firsts = np.cumsum(counts) - counts
    rows = np.minimum(firsts[:, None] + np.arange(counts.max()), height - 1)
    places = (above + 1) * rows.shape[1] + np.arange(height) - firsts[above + 1]
    return rows, places, (at - above)[rows].astype(np.float32)


def _shrinking(count: int, size: int, values: int) -> Any:
    """A graph of count times uint8[size,values], and float[size,1], to their weighted sum."""
    of = ov.opset13
    rows = [of.parameter([size, values], ov.Type.u8) for _ in range(count)]
    weights = [of.parameter([size, 1], ov.Type.f32) for _ in range(count)]
    parts = [
        of.multiply(of.convert(some, ov.Type.f32), weight) for some, weight in zip(rows, weights, strict=True)
    ]
    return ov.Model([reduce(of.add, parts)], [*rows, *weights])


def _applying(size: int, many: int, values: int) -> Any:
    """A graph to uint8[size,many,values] of the same, of a and b above and below, and shares of these."""
    of = ov.opset13
    rows = of.parameter([size, many, values], ov.Type.u8)
    maps = [of.parameter([size, 1, values], ov.Type.f32) for _ in range(4)]
    upper, lower = shares = [of.parameter([size, many, 1], ov.Type.f32) for _ in range(2)]
    a, b = (of.add(of.multiply(maps[at], upper), of.multiply(maps[at + 1], lower)) for at in (0, 2))
    levels = of.clamp(of.add(of.multiply(of.convert(rows, ov.Type.f32), a), b), 0, 255)
    return ov.Model([of.convert(of.round(levels, "half_to_even"), ov.Type.u8)], [rows, *maps, *shares])
