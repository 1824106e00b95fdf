"""Which box of one picture is which of the other."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from unit_edge.runtime.check.boxes import Boxes, iou

FAINT_SHARE = 0.5
"""Down to this share of the confidence threshold a box counts as still, or already, there."""


def match(before: Boxes, after: Boxes, iou_threshold: float) -> NDArray[np.int64]:
    """Pairs of one class that overlap enough, so that the sum of their IoUs is largest (Hungarian method).

    Needs scipy, of the check extra.

    Returns:
        int64[K,2], places in `before` and in `after`, each at most once.
    """
    from scipy.optimize import linear_sum_assignment

    pairs = [np.empty((0, 2), np.int64)]
    for name in np.intersect1d(before.classes, after.classes):
        left, right = np.flatnonzero(before.classes == name), np.flatnonzero(after.classes == name)
        overlap = iou(before.xyxy[left], after.xyxy[right])
        # rounding apart, a box that is just at the threshold is above it
        enough = overlap >= iou_threshold - 1e-9
        rows, columns = linear_sum_assignment(np.where(enough, overlap, 0), maximize=True)
        good = enough[rows, columns]
        pairs.append(np.stack([left[rows[good]], right[columns[good]]], axis=1))
    return np.concatenate(pairs)


@dataclass(frozen=True)
class Outcome:
    """What became of one picture's boxes at one confidence threshold.

    Attributes:
        before: boxes of the input that reach the threshold.
        after: those of the translation.
        kept: int64[K,2], places in `before` and in `after` of boxes that are in both.
        lost: int64[L], places in `before` of the others.
        renamed: bool[L], whether such a box is there as an invented one of another class.
        faded: bool[L], whether such a box is still there below the threshold, from half of it on.
        invented: int64[I], places in `after` of boxes that match none of the input.
        risen: bool[I], whether the input has such a box below the threshold, from half of it on.
    """

    before: Boxes
    after: Boxes
    kept: NDArray[np.int64]
    lost: NDArray[np.int64]
    renamed: NDArray[np.bool_]
    faded: NDArray[np.bool_]
    invented: NDArray[np.int64]
    risen: NDArray[np.bool_]


def compare(before: Boxes, after: Boxes, *, confidence: float, iou_threshold: float) -> Outcome:
    """Matches what a detector found in a picture, however faint, with what it found in the translation."""
    strong = before.above(confidence), after.above(confidence)
    kept = match(*strong, iou_threshold)
    lost = np.setdiff1d(np.arange(len(strong[0])), kept[:, 0])
    invented = np.setdiff1d(np.arange(len(strong[1])), kept[:, 1])
    faint = [
        b.take((b.scores < confidence) & (b.scores >= FAINT_SHARE * confidence)) for b in (before, after)
    ]
    left, new = (replace(b, classes=np.zeros_like(b.classes)) for b in strong)
    renamed = match(left.take(lost), new.take(invented), iou_threshold)[:, 0]
    still = match(strong[0].take(lost), faint[1], iou_threshold)[:, 0]
    already = match(faint[0], strong[1].take(invented), iou_threshold)[:, 1]
    return Outcome(
        *strong,
        kept=kept,
        lost=lost,
        renamed=np.isin(np.arange(len(lost)), renamed),
        faded=np.isin(np.arange(len(lost)), still),
        invented=invented,
        risen=np.isin(np.arange(len(invented)), already),
    )
