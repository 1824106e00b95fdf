"""Where a translation changed the structure most: plates, text and faces, for a person to look at."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from unit_edge.media.png import png_bytes
from unit_edge.runtime.check.found import Found
from unit_edge.runtime.check.intervals import ratios
from unit_edge.runtime.check.pairs import Image, Pair
from unit_edge.runtime.check.part import Answer
from unit_edge.runtime.check.section import Picture, Section
from unit_edge.runtime.resize import resized

_WINDOW = 48, 96  # height and width of a crop, in pixels
_ENLARGED = 3
_SIGMA = 1.5  # of SSIM's Gaussian window, as its authors have it
_BUSY_SHARE = 0.25
"""Of the windows, the share with the most edges: only there can structure be lost."""

_OBJECT_FROM = 0.3  # confidence
_COLUMNS = 2
_GAP, _LABEL, _PAPER = 6, 22, 255


def gradients(image: Image) -> NDArray[np.float32]:
    """float32[H,W], how steep the luminance is, relative to the mean of its surroundings.

    So that a picture that is only darker has the same: gradients over local brightness.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.float32)
    x, y = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    level = cv2.GaussianBlur(grey, (0, 0), 8)
    return np.asarray(cv2.magnitude(x, y) / (level + 8), np.float32)


def ssim(a: NDArray[np.float32], b: NDArray[np.float32], span: float = 2.0) -> NDArray[np.float32]:
    """Structural similarity of float32[H,W] with the same, by pixel, in -1..1 (Wang et al. 2004).

    `span` is the range of values, from which its two constants are.
    """
    c1, c2 = (0.01 * span) ** 2, (0.03 * span) ** 2

    def blurred(values: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(cv2.GaussianBlur(values, (11, 11), _SIGMA), np.float32)

    mean_a, mean_b = blurred(a), blurred(b)
    var_a, var_b = blurred(a * a) - mean_a**2, blurred(b * b) - mean_b**2
    covariance = blurred(a * b) - mean_a * mean_b
    top = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    return np.asarray(top / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)), np.float32)


@dataclass(frozen=True)
class Crop:
    """A window: its SSIM of gradients, where it is, and its two pictures beside each other."""

    similarity: float
    name: str
    left: int
    top: int
    picture: Image


class Structure:
    """Keeps the windows that changed most, of a frame at most one."""

    name = "structure"

    def __init__(self, count: int = 24, *, seed: int = 0) -> None:
        self._count, self._seed = count, seed
        self._worst: list[tuple[float, int, Crop]] = []
        self._scenes: dict[str, list[float]] = {}
        self._seen = 0

    def see(self, pair: Pair, found: Found | None) -> None:
        height, width = pair.before.shape[:2]
        after = resized(pair.after, width, height)
        own, other = gradients(pair.before), gradients(after)
        window = min(_WINDOW[0], height), min(_WINDOW[1], width)
        similar, busy = _means(ssim(own, other), window), _means(own, window)
        chosen = busy >= np.quantile(busy, 1 - _BUSY_SHARE)
        self._scenes.setdefault(pair.scene, []).append(float(similar[chosen].mean()))
        wanted = chosen & _on_boxes(found, similar.shape, window)
        chosen = wanted if wanted.any() else chosen
        row, column = np.unravel_index(np.where(chosen, similar, np.inf).argmin(), similar.shape)
        value, top, left = (
            float(similar[row, column]),
            int(row) * (window[0] // 2),
            int(column) * (window[1] // 2),
        )
        self._seen += 1
        if len(self._worst) == self._count and -value <= self._worst[0][0]:
            return
        cut = slice(top, top + window[0]), slice(left, left + window[1])
        picture = np.concatenate([_enlarged(pair.before[cut]), _enlarged(after[cut])], axis=1)
        entry = (
            -value,
            self._seen,
            Crop(similarity=value, name=pair.name, left=left, top=top, picture=picture),
        )
        if len(self._worst) < self._count:
            heapq.heappush(self._worst, entry)
        else:
            heapq.heapreplace(self._worst, entry)

    def answer(self) -> Answer:
        crops = [crop for _, _, crop in sorted(self._worst, reverse=True)]
        sums = np.array([[sum(values)] for values in self._scenes.values()])
        (figure,) = ratios(sums, np.array([[len(values)] for values in self._scenes.values()]), self._seed)
        rows: list[dict[str, Any]] = [
            {"frame": c.name, "left": c.left, "top": c.top, "ssim_of_gradients": c.similarity} for c in crops
        ]
        text = (
            f"SSIM of luminance gradients where there are many edges: {figure.value:.2f} on average (1: all "
            "structure is where it was). structure.png has the windows that changed most, input on the left: "
            "look whether text, plates and faces can still be read."
        )
        pictures = [Picture("structure.png", _sheet(crops), "Windows whose structure changed most")]
        figures = {"ssim_of_gradients": figure.as_dict(), "windows": rows}
        return Answer(
            figures,
            [Section(title="Structure", paragraphs=[text], rows=[], pictures=pictures)],
            {"structure.csv": rows},
        )


def _on_boxes(found: Found | None, shape: tuple[int, ...], window: tuple[int, int]) -> NDArray[np.bool_]:
    """Which windows have their middle on a detected object: plates and faces are on those."""
    y, x = (
        (np.arange(count) * max(1, side // 2) + side / 2) for count, side in zip(shape, window, strict=True)
    )
    inside = np.zeros(shape, bool)
    for x1, y1, x2, y2 in () if found is None else found.before.above(_OBJECT_FROM).xyxy:
        inside |= ((y1 <= y) & (y <= y2))[:, None] & ((x1 <= x) & (x <= x2))[None]
    return inside


def _means(values: NDArray[np.float32], window: tuple[int, int]) -> NDArray[np.float64]:
    """Means of windows that overlap by half."""
    integral = cv2.integral(values)
    rows = np.arange(0, values.shape[0] - window[0] + 1, max(1, window[0] // 2))
    columns = np.arange(0, values.shape[1] - window[1] + 1, max(1, window[1] // 2))
    top, left = rows[:, None], columns[None]
    bottom, right = top + window[0], left + window[1]
    sums = integral[bottom, right] - integral[top, right] - integral[bottom, left] + integral[top, left]
    return np.asarray(sums / (window[0] * window[1]), np.float64)


def _enlarged(crop: Image) -> Image:
    return resized(crop, crop.shape[1] * _ENLARGED, crop.shape[0] * _ENLARGED)


def _sheet(crops: list[Crop]) -> bytes:
    cells = []
    for crop in crops:
        height, width = crop.picture.shape[:2]
        cell = np.full((height + _LABEL + _GAP, width + _GAP, 3), _PAPER, np.uint8)
        text = f"{crop.similarity:.2f}  {crop.name}".encode("ascii", "replace").decode()
        cv2.putText(cell, text, (2, _LABEL - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (40, 40, 40), 1, cv2.LINE_AA)
        cell[_LABEL : _LABEL + height, :width] = crop.picture
        cells.append(cell)
    height, width = (max(cell.shape[axis] for cell in cells) for axis in (0, 1))
    lines = -(-len(cells) // _COLUMNS)
    sheet = np.full((lines * height, _COLUMNS * width, 3), _PAPER, np.uint8)
    for place, cell in enumerate(cells):
        top, left = place // _COLUMNS * height, place % _COLUMNS * width
        sheet[top : top + cell.shape[0], left : left + cell.shape[1]] = cell
    return png_bytes(sheet)
