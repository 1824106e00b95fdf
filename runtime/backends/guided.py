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
from unit_edge.config.detail import (
    BLACK,
    COLOURFUL,
    DARK,
    GAMMA,
    GREEN,
    LEAST_LIGHT,
    LEAST_RED,
    RED_GAIN,
    RED_LIGHT,
    RED_OVER_AROUND,
    RED_OVER_GREEN,
    ROSE,
    ROSE_RED,
    SPOT,
    STANDS_OUT,
)
from unit_edge.errors import ConfigError, ModelError
from unit_edge.frames import OVERSAMPLING, shrunk_size
from unit_edge.manifests.model import Manifest

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]

_GREY_LEVEL = np.array([[1 / 6, 1 / 6, 1 / 6, 0.5]], np.float32)
"""[-1, 1] → the mean of the three levels in [0, 1], as a matrix of `cv2.transform`."""
_COLOUR = ((np.eye(3) - 1 / 3) / 2).astype(np.float32)
"""[-1, 1] → levels of 0 to 1 without their mean."""
_MEAN = np.full((1, 3), 1 / 3, np.float32)
"""Three levels → their mean."""
_SUM = np.ones((1, 3), np.float32)
_ACROSS = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]], np.float32) / 2
"""[-1, 1] → across the colour, in levels of 0 to 1 and sqrt(3) times as long."""

_UNLIT = 1e-6
"""Share of a red light that is none, but what is left of rounding."""

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
        self._box = 2 * detail.radius + 1
        self._epsilon = np.float32(detail.epsilon)
        grey = np.full((3, 3), (1 - detail.residual_colour) / 3)
        self._residual = detail.residual * (grey + detail.residual_colour * np.eye(3))
        self._gain_limit = np.float32(detail.gain_limit)
        self._highlights, self._contrast = detail.highlights, np.float32(detail.contrast)
        self._sharpness = np.float32(detail.sharpness)
        share, self._stray = detail.saturation, np.float32(detail.stray_colour)
        mixed = (np.full((3, 3), (1 - share) / 3) + share * np.eye(3)) / 2
        gains = detail.brightness * (1 + detail.coolness * np.array([1, 0, -1]))
        self._levels = gains[:, None] * np.hstack([mixed, np.full((3, 1), 0.5)])
        self._turning = np.float32(1 - detail.hue)
        self._less_magenta = (1 - detail.magenta) * np.array(GREEN, np.float32)
        self._grades = detail.grades
        self._red_light = np.float32(detail.red_lights) * np.array(RED_LIGHT[::-1], np.float32)
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
        a, b = self._fit(small, translated)
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

    def _fit(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """The local linear model of the frame's levels: a, b, each float[h,w,3]."""
        mean_x = self._mean(x)
        y = self._graded(x, mean_x, y)
        mean_y = self._mean(y)
        a = (self._mean(x * y) - mean_x * mean_y) / (self._mean(x * x) - mean_x * mean_x + self._epsilon)
        b = mean_y - a * mean_x
        a, b = self._mean(a), self._mean(b)
        if self._residual.any():
            b += cv2.transform(y - (a * x + b), self._residual)
        if self._contrast != 1:
            more = (self._contrast - 1) * a
            b -= more * mean_x
            a += more
        if self._sharpness != 1:
            more = (self._sharpness - 1) * a
            b -= more * x
            a += more
        if self._red_light.any():
            self._add_red_lights(x, a, b)
        b -= a
        b += np.float32(1)
        b *= np.float32(127.5)
        return a, b

    def _graded(self, x: Floats, mean_x: Floats, y: Floats) -> Floats:
        """What `unit_edge.train.guided.GuidedHead.graded` gives, float[h,w,3] in [-1, 1]."""
        if not self._grades:
            return y
        if self._turning > 0:
            y = self._without_turned_hues(x, y)
        if self._stray < 1:
            y = self._without_stray_colour(x - mean_x, y)
        if self._less_magenta.any():
            more = np.maximum(_magenta(y) - np.maximum(_magenta(x), 0), 0)
            # a transform of one channel to three takes 6 times as long
            y = np.asarray(cv2.add(y, cv2.merge([share * more for share in self._less_magenta])), np.float32)
        levels = cv2.transform(y, self._levels)
        if self._highlights > 0:
            light = np.asarray(cv2.pow(np.maximum(cv2.transform(y, _GREY_LEVEL), 0), GAMMA), np.float32)
            around = self._mean(self._mean(light))
            light = np.asarray(cv2.blur(light, (SPOT, SPOT), borderType=cv2.BORDER_REPLICATE), np.float32)
            out = np.maximum(light - STANDS_OUT * around - LEAST_LIGHT, 0)
            out /= light + DARK
            out *= np.float32(self._highlights)
            out += np.float32(1)
            gain = cv2.pow(out, 1 / GAMMA)
            cv2.multiply(levels, cv2.merge([gain, gain, gain]), levels)
        if self._gain_limit > 0:
            share = self._gain_limit * np.maximum(cv2.transform(x, _GREY_LEVEL), BLACK)
            share /= np.maximum(cv2.transform(levels, _MEAN), DARK)
            np.minimum(share, 1, out=share)
            cv2.multiply(levels, cv2.merge([share, share, share]), levels)
        cv2.addWeighted(levels, 2, levels, 0, -1, levels)
        return np.asarray(np.clip(levels, -1, 1, out=levels), np.float32)

    def _add_red_lights(self, x: Floats, a: Floats, b: Floats) -> None:
        """Adds to b what `unit_edge.train.guided.GuidedHead` does for lights of the frame."""
        blue, green, red = cv2.split(x)
        # levels are half of values and a half more
        redness = red - np.maximum(blue, RED_OVER_GREEN * green + (RED_OVER_GREEN - 1))
        redness *= np.float32(0.5)
        np.maximum(redness, 0, out=redness)
        lit = redness - RED_OVER_AROUND * self._mean(redness)
        lit -= np.float32(LEAST_RED)
        lit *= np.float32(RED_GAIN)
        np.clip(lit, 0, 1, out=lit)
        halo: cv2.typing.MatLike = lit
        for _ in range(2):
            halo = cv2.blur(halo, (3, 3), borderType=cv2.BORDER_REPLICATE)
        lit += halo
        where = np.flatnonzero(lit > _UNLIT)  # few pixels
        x, a, pixels = x.reshape(-1, 3), a.reshape(-1, 3), b.reshape(-1, 3)
        levels = np.clip((a[where] * x[where] + pixels[where] + 1) / 2, DARK, 1)
        light = levels**GAMMA + lit.reshape(-1, 1)[where] * self._red_light
        pixels[where] += 2 * (np.minimum(light, 1) ** (1 / GAMMA) - levels)

    def _without_turned_hues(self, x: Floats, y: Floats) -> Floats:
        """y without the share, of 1 - `hue`, of what is across colours of the frame x."""
        across = cv2.transform(x, _ACROSS)
        length = np.asarray(cv2.transform(cv2.multiply(across, across), _SUM), np.float32)
        least, most = (np.float32(3 * bound) for bound in COLOURFUL)
        share = np.clip((length - least) * (self._turning / (most - least)), 0, self._turning)
        share /= np.maximum(length, least)
        share *= cv2.transform(cv2.multiply(across, y), _SUM)
        return np.asarray(cv2.subtract(y, cv2.multiply(across, cv2.merge([share, share, share]))), np.float32)

    def _without_stray_colour(self, own: Floats, y: Floats) -> Floats:
        """y with colours as far from those around as `stray_colour` and the frame's allow.

        Args:
            own: how far the frame is from the mean of the box around every pixel.
            y: what E and G gave.
        """
        stray = np.asarray(cv2.transform(y - self._mean(y), _COLOUR), np.float32)
        share = _largest(np.asarray(cv2.transform(own, _COLOUR), np.float32))
        share += self._stray
        share /= np.maximum(_largest(stray), DARK)
        np.minimum(share, 1, out=share)
        share -= np.float32(1)
        share *= np.float32(2)
        return np.asarray(cv2.add(y, cv2.multiply(stray, cv2.merge([share, share, share]))), np.float32)

    def _mean(self, x: Floats) -> Floats:
        """Over a box around every pixel; the border pixel stands for what lies outside."""
        box = (self._box, self._box)
        return np.asarray(cv2.boxFilter(x, cv2.CV_32F, box, borderType=cv2.BORDER_REPLICATE), np.float32)


def _largest(difference: Floats) -> Floats:
    """Of the three channels, float[h,w], without its sign."""
    first, second, third = cv2.split(np.abs(difference))
    return np.asarray(cv2.max(cv2.max(first, second), third), np.float32)


def _magenta(colour: Floats) -> Floats:
    """How far a pixel, BGR in [-1, 1], is less green than light is, float[h,w]; below 0 where it is not."""
    blue, green, red = cv2.split(colour)
    rose = ROSE * np.clip(red - blue, 0, 2 * ROSE_RED)
    return np.asarray(cv2.min(red, blue) + rose - green, np.float32)


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
