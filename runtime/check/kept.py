"""One picture's share of detections kept."""

from __future__ import annotations

from unit_edge.runtime.check.found import Detect
from unit_edge.runtime.check.matching import match
from unit_edge.runtime.check.pairs import Image


def kept_counts(
    detect: Detect, before: Image, after: Image, *, confidence: float, iou_threshold: float
) -> tuple[int, int, int]:
    """Boxes on a frame, boxes on its translation, and how many are in both.

    Args:
        detect: runs a detector on a frame uint8[H,W,3] BGR.
        before: the frame.
        after: its translation, of the same aspect ratio.
        confidence: from which a box counts.
        iou_threshold: from which two boxes of a class are of one object.
    """
    (height, width), (other_height, other_width) = before.shape[:2], after.shape[:2]
    own = detect(before, confidence)
    other = detect(after, confidence).moved((width / other_width, height / other_height))
    return len(own), len(other), len(match(own, other, iou_threshold))


def kept_share(
    detect: Detect, before: Image, after: Image, *, confidence: float, iou_threshold: float
) -> float | None:
    """The share of a frame's boxes that its translation keeps; None if the frame has none.

    Args:
        detect: gives the boxes of a picture.
        before: the frame, uint8[H,W,3] BGR.
        after: its translation, of the same aspect ratio.
        confidence: from which a box counts.
        iou_threshold: from which two boxes of a class are of one object.
    """
    own, _, kept = kept_counts(detect, before, after, confidence=confidence, iou_threshold=iou_threshold)
    return kept / own if own else None
