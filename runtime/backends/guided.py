"""The guided head outside of the graph: what is around E and G, on a CPU, with OpenCV.

It computes what `unit_edge.train.guided` and the export's shrinking are in the graph, and keeps its memory
from frame to frame.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from unit_edge.config import Detail
from unit_edge.errors import ConfigError, ModelError
from unit_edge.frames import OVERSAMPLING, shrunk_size
from unit_edge.manifests.model import Manifest
from unit_edge.runtime.backends.linear_model import Floats, LinearModel

Pixels = NDArray[np.uint8]

_ROWS = 32
"""Of the frame at a time, so that what is between two passes stays in the cache of a core."""
_SMALL_ROWS = 4
"""The same of the small image, while the frame is shrunk."""


class _Memory(threading.local):
    """Arrays that are used again for the next frame; each thread has its own."""

    def __init__(self) -> None:
        self._arrays: dict[str, Floats] = {}

    def of(self, name: str, shape: tuple[int, ...]) -> Floats:
        array = self._arrays.get(name)
        if array is None or array.shape != shape:
            array = self._arrays[name] = np.empty(shape, np.float32)
        return array


class Rows(Protocol):
    """What is done to whole rows of a frame, by other means than OpenCV."""

    def shrink(self, frame: Pixels) -> Floats:
        """uint8[H,W,3] → float[h,W,3], each row the mean of OVERSAMPLING rows between those of the frame."""

    def apply(self, frame: Pixels, a: Floats, b: Floats, out: Pixels) -> None:
        """Fills uint8[H,W,3] with a * frame + b, of float[h,w,3] each, enlarged."""


class GuidedFrames:
    """Shrinks frames for E and G, and applies what these did to them; of one frame at a time.

    Args:
        manifest: of a model with the guided head.
        threads: that work on a frame.

    Raises:
        ModelError: the manifest's settings of the head are damaged.
    """

    def __init__(self, manifest: Manifest, threads: int) -> None:
        try:
            detail = Detail.of(manifest.detail_settings)
        except (ConfigError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise ModelError(
                f"{manifest.name}: detail_settings of the manifest are damaged ({error}); "
                "export the model again"
            ) from None
        self._model = LinearModel(detail)
        self._short_side = manifest.network_short_side
        self._memory = _Memory()
        self._helpers = ThreadPoolExecutor(threads - 1, "guided") if threads > 1 else None
        self._parts = threads

    def close(self) -> None:
        """Ends the threads."""
        if self._helpers is not None:
            self._helpers.shutdown()

    def size_of(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of what E and G see of frames of a size."""
        return shrunk_size(height, width, min(height, width), self._short_side)

    def shrink(self, frame: Pixels, *, alone: bool = True, rows: Rows | None = None) -> Floats:
        """uint8[H,W,3] → float[h,w,3] in [-1, 1], its mean over OVERSAMPLING² bilinear samples a pixel.

        With `alone`, no other thread of this process is busy with a frame, so all can work on this one.
        """
        h, w = self.size_of(*frame.shape[:2])
        # rows first, whose sums are simple: what is left for the slower way along them is a fifth at 720p
        shrunk = self._shrink_rows(frame, h, alone) if rows is None else rows.shrink(frame)
        samples = self._memory.of("samples", (h, w * OVERSAMPLING, 3))
        cv2.resize(shrunk, (w * OVERSAMPLING, h), samples, interpolation=cv2.INTER_LINEAR)
        means = cv2.resize(samples, (w, h), interpolation=cv2.INTER_AREA)
        means *= np.float32(1 / 127.5)
        means -= np.float32(1)
        return np.asarray(means, np.float32)

    def apply(
        self,
        frame: Pixels,
        small: Floats,
        translated: Floats,
        out: Pixels,
        *,
        alone: bool = True,
        rows: Rows | None = None,
    ) -> None:
        """Applies the head to a frame.

        Args:
            frame: uint8[H,W,3].
            small: the frame shrunk, float[h,w,3] in [-1, 1].
            translated: what E and G made of it, float[h,w,3] in [-1, 1].
            out: uint8[H,W,3], for the result.
            alone: no other thread of this process is busy with a frame, so all can work on this one.
            rows: what works on whole rows; None for OpenCV.
        """
        a, b = self._model.fit(small, translated)
        if rows is None:
            self._apply_rows(frame, a, b, out, alone)
        else:
            rows.apply(frame, a, b, out)

    def _shrink_rows(self, frame: Pixels, h: int, alone: bool) -> Floats:
        rows = self._memory.of("rows", (h, *frame.shape[1:]))
        self._in_parts(h, alone, lambda first, last: _shrink_rows(frame, rows, first, last, self._memory))
        return rows

    def _apply_rows(self, frame: Pixels, a: Floats, b: Floats, out: Pixels, alone: bool) -> None:
        height, width = frame.shape[:2]
        maps = []
        for name, small_map in zip("ab", (a, b), strict=True):
            enlarged = self._memory.of(name, (height, width, 3))
            cv2.resize(small_map, (width, height), enlarged, interpolation=cv2.INTER_LINEAR)
            maps.append(enlarged)
        a, b = maps

        def rows(first: int, last: int) -> None:
            for top in range(first, last, _ROWS):
                strip = slice(top, min(top + _ROWS, last))
                cv2.multiply(frame[strip], a[strip], a[strip], dtype=cv2.CV_32F)
                # OpenCV rounds halves to even, as ONNX does, and saturates
                cv2.add(a[strip], b[strip], out[strip], dtype=cv2.CV_8U)

        self._in_parts(height, alone, rows)

    def _in_parts(self, count: int, alone: bool, work: Callable[[int, int], None]) -> None:
        """Has rows worked on, from one to before another, by all threads if no others are busy."""
        if self._helpers is None or not alone:
            work(0, count)
            return
        bounds = [count * part // self._parts for part in range(self._parts + 1)]
        parts = [self._helpers.submit(work, *bounds[part : part + 2]) for part in range(1, self._parts)]
        work(*bounds[:2])
        for part in parts:
            part.result()


def _shrink_rows(frame: Pixels, out: Floats, first: int, last: int, memory: _Memory) -> None:
    """uint8[H,W,3] → rows of float[h,W,3], each the mean of OVERSAMPLING rows between those of the frame."""
    pixels, sums = frame.reshape(len(frame), -1), out.reshape(len(out), -1)
    of_frame = bands(len(frame), len(out))
    for top in range(first, last, _SMALL_ROWS):
        group = of_frame[top : min(top + _SMALL_ROWS, last)]
        begin, end = group[0][0], group[-1][1]
        floats = memory.of("floats", (_most_rows(len(frame), len(out)), pixels.shape[1]))
        np.copyto(floats[: end - begin], pixels[begin:end])  # bytes would be rounded to bytes
        for row, (above, below, weights) in enumerate(group, top):
            np.einsum("j,jk->k", weights, floats[above - begin : below - begin], out=sums[row])


def _most_rows(height: int, h: int) -> int:
    """How many rows of a frame _SMALL_ROWS of h rows are made of, at most."""
    return (_SMALL_ROWS + 1) * height // h + 3


@lru_cache(16)
def bands(height: int, h: int) -> list[tuple[int, int, Floats]]:
    """Which rows of a frame make each of h rows, from where to where, and their weights.

    They are those of OVERSAMPLING bilinear samples a row, as OpenCV and ONNX place them.
    """
    at = (np.arange(h * OVERSAMPLING) + 0.5) * (height / (h * OVERSAMPLING)) - 0.5
    above = np.floor(at).astype(int)
    found = []
    for row in range(h):
        samples = slice(row * OVERSAMPLING, (row + 1) * OVERSAMPLING)
        rows = np.clip([above[samples], above[samples] + 1], 0, height - 1)
        share = at[samples] - above[samples]
        weights = np.bincount((rows - rows.min()).ravel(), np.concatenate([1 - share, share]))
        begin = int(rows.min())
        found.append((begin, begin + len(weights), (weights / OVERSAMPLING).astype(np.float32)))
    return found
