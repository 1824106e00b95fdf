"""Boxes with scores and classes, and what is computed from them alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

SIZES = ("small", "medium", "large")
_SIZE_EDGES = (32**2, 96**2)  # COCO's, in square pixels


@dataclass(frozen=True)
class Boxes:
    """What a detector found in one picture, or what a label file says of it.

    Attributes:
        xyxy: float64[N,4], left, top, right, bottom in pixels of the picture.
        scores: float64[N], confidence in 0..1.
        classes: int64[N], places in the list of class names.
    """

    xyxy: NDArray[np.float64]
    scores: NDArray[np.float64]
    classes: NDArray[np.int64]

    @classmethod
    def of(cls, xyxy: ArrayLike, scores: ArrayLike, classes: ArrayLike) -> Boxes:
        """Makes boxes of anything that numpy takes; an empty list is no boxes."""
        return cls(
            np.asarray(xyxy, np.float64).reshape(-1, 4),
            np.asarray(scores, np.float64).reshape(-1),
            np.asarray(classes).astype(np.int64).reshape(-1),
        )

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, chosen: NDArray[np.generic]) -> Boxes:
        """Those at some places, or where a mask is true."""
        return Boxes(self.xyxy[chosen], self.scores[chosen], self.classes[chosen])

    def above(self, confidence: float) -> Boxes:
        """Those with at least that confidence."""
        return self.take(self.scores >= confidence)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """int64[N], places in SIZES: small is below 32x32 pixels, large from 96x96 on, as COCO has it."""
        return np.searchsorted(_SIZE_EDGES, area(self.xyxy), side="right").astype(np.int64)

    def moved(self, scale: tuple[float, float], offset: tuple[float, float] = (0, 0)) -> Boxes:
        """x and y multiplied by a factor each, then shifted."""
        xyxy = self.xyxy * np.array([*scale, *scale]) + np.array([*offset, *offset])
        return Boxes(xyxy, self.scores, self.classes)

    def clipped(self, width: int, height: int) -> Boxes:
        """Cut at the picture's borders; those outside of it, or without area, are left out."""
        cut = Boxes(self.xyxy.clip(0, [width, height, width, height]), self.scores, self.classes)
        return cut.take(area(cut.xyxy) > 0)


def area(xyxy: NDArray[np.float64]) -> NDArray[np.float64]:
    """float64[N] of float64[N,4]; 0 for a box that is inside out."""
    sides = (xyxy[:, 2:] - xyxy[:, :2]).clip(0)
    return np.asarray(sides[:, 0] * sides[:, 1])


def from_centres(cxcywh: NDArray[np.generic]) -> NDArray[np.float64]:
    """float64[...,4] left, top, right, bottom of centre x, centre y, width, height."""
    boxes = np.asarray(cxcywh, np.float64)
    half = boxes[..., 2:] / 2
    return np.concatenate([boxes[..., :2] - half, boxes[..., :2] + half], axis=-1)


def iou(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of float64[N,4] with float64[M,4]: float64[N,M] in 0..1."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    sides = (high - low).clip(0)
    both = sides[..., 0] * sides[..., 1]
    union = area(a)[:, None] + area(b)[None] - both
    return np.asarray(np.divide(both, union, out=np.zeros_like(both), where=union > 0))


def suppressed(boxes: Boxes, threshold: float, most: int = 1000) -> Boxes:
    """Non-maximum suppression within each class: of boxes that overlap by more than that IoU, the best.

    Of more than `most` boxes, only those with the highest scores are looked at.
    """
    boxes = boxes.take(np.argsort(-boxes.scores, kind="stable")[:most])
    overlap = iou(boxes.xyxy, boxes.xyxy) * (boxes.classes[:, None] == boxes.classes[None])
    alive = np.ones(len(boxes), bool)
    for place in range(len(boxes)):
        if alive[place]:
            alive[place + 1 :] &= overlap[place, place + 1 :] <= threshold
    return boxes.take(alive)
