"""The full-size rows of a frame, as the guided head has them: shrunk, and translated by its linear model.

OpenVINO compiles either into one pass over the bytes with nothing between, if the image it is given has as
many rows of the frame for each of the small image's. So these are gathered first.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from unit_edge.runtime.backends.guided import Floats, Pixels, bands
from unit_edge.runtime.backends.openvino.module import load_openvino

ov = load_openvino()


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
        self.frame, self.small = frame, small
        self.shrinking, weights = _rows_to_shrink(frame[0], small[0])
        self.gaps, self.places, shares = _rows_between(frame[0], small[0])
        settings = {**settings, "INFERENCE_PRECISION_HINT": "f32"}
        self.models = [
            core.compile_model(model, "CPU", settings)
            for model in (_shrinking(weights, 3 * frame[1]), _applying(shares, 3 * frame[1]))
        ]

    def frame_rows(self) -> FrameRows:
        """Memory for one frame at a time."""
        return FrameRows(self)


class FrameRows:
    """What `GuidedFrames` does to whole rows, of frames of one size."""

    def __init__(self, passes: RowPasses) -> None:
        (self._height, width), (h, _) = passes.frame, passes.small
        self._passes, values = passes, 3 * width
        self._for_shrinking = np.empty((*passes.shrinking.shape, values), np.uint8)
        self._shrunk = np.empty((h, width, 3), np.float32)
        self._between = np.empty((*passes.gaps.shape, values), np.uint8)
        self._translated = np.empty_like(self._between)
        self._maps = [np.empty((h + 2, width, 3), np.float32) for _ in "ab"]
        above_and_below = [
            rows[first : first + h + 1].reshape(h + 1, 1, values) for rows in self._maps for first in (0, 1)
        ]
        self._shrink = _request(passes.models[0], [*self._for_shrinking], self._shrunk.reshape(h, values))
        self._apply = _request(passes.models[1], [self._between, *above_and_below], self._translated)

    def shrink(self, frame: Pixels) -> Floats:
        """uint8[H,W,3] → float[h,W,3], each row the mean of OVERSAMPLING rows between those of the frame."""
        _take(frame, self._passes.shrinking, self._for_shrinking)
        self._shrink.infer()
        return self._shrunk

    def apply(self, frame: Pixels, a: Floats, b: Floats, out: Pixels) -> None:
        """Fills uint8[H,W,3] with a * frame + b, of float[h,w,3] each, enlarged."""
        for small_map, rows in zip((a, b), self._maps, strict=True):
            cv2.resize(small_map, (rows.shape[1], len(small_map)), rows[1:-1], interpolation=cv2.INTER_LINEAR)
            rows[0], rows[-1] = rows[1], rows[-2]
        _take(frame, self._passes.gaps, self._between)
        self._apply.infer()
        _take(self._translated, self._passes.places, out)


def _request(model: Any, given: list[NDArray[Any]], result: NDArray[Any]) -> Any:
    """A request that reads and writes these arrays."""
    request = model.create_infer_request()
    for place, array in enumerate(given):
        request.set_input_tensor(place, ov.Tensor(array, shared_memory=True))
    request.set_output_tensor(0, ov.Tensor(result, shared_memory=True))
    return request


def _take(source: Pixels, rows: NDArray[np.intp], out: Pixels) -> None:
    values = out.size // rows.size
    # with another mode numpy would make a copy of `out` first
    np.take(source.reshape(-1, values), rows.ravel(), 0, out.reshape(-1, values), mode="clip")


def _rows_to_shrink(height: int, h: int) -> tuple[NDArray[np.intp], Floats]:
    """int[n,h] rows of a frame that make each of h rows, n enough for all, and their float[n,h] weights."""
    made_of = [
        [(begin + row, weight) for row, weight in enumerate(weights) if weight]
        for begin, _, weights in bands(height, h)
    ]
    count = max(map(len, made_of))
    filled = np.array([one + [(one[-1][0], 0)] * (count - len(one)) for one in made_of])
    return filled[..., 0].T.astype(np.intp), filled[..., 1].T.astype(np.float32)


def _rows_between(height: int, h: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats]:
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


def _shrinking(weights: Floats, values: int) -> Any:
    """A graph of n times uint8[h,values] to their weighted sum, float[h,values]."""
    of = ov.opset13
    given = [of.parameter([weights.shape[1], values], ov.Type.u8) for _ in weights]
    total = None
    for rows, weight in zip(given, weights, strict=True):
        part = of.multiply(of.convert(rows, ov.Type.f32), of.constant(weight[:, None]))
        total = part if total is None else of.add(total, part)
    return ov.Model([total], given)


def _applying(shares: Floats, values: int) -> Any:
    """A graph of uint8[g,n,values] and a and b above and below, float[g,1,values], to the same as bytes."""
    of = ov.opset13
    rows = of.parameter([*shares.shape, values], ov.Type.u8)
    maps = [of.parameter([len(shares), 1, values], ov.Type.f32) for _ in range(4)]
    upper, lower = (of.constant(share[..., None]) for share in (1 - shares, shares))
    a, b = (of.add(of.multiply(maps[at], upper), of.multiply(maps[at + 1], lower)) for at in (0, 2))
    levels = of.clamp(of.add(of.multiply(of.convert(rows, ov.Type.f32), a), b), 0, 255)
    return ov.Model([of.convert(of.round(levels, "half_to_even"), ov.Type.u8)], [rows, *maps])
