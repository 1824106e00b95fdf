"""What the detector found on a frame and on its translation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from unit_edge.runtime.check.boxes import Boxes
from unit_edge.runtime.check.pairs import Image, Pair

Detect = Callable[[Image, float], Boxes]
FLOOR = 0.05
"""Boxes with less confidence are never looked at."""


@dataclass(frozen=True)
class Found:
    """Boxes with FLOOR or more, both in pixels of the frame before."""

    before: Boxes
    after: Boxes


def detect_both(detect: Detect, pair: Pair, floor: float = FLOOR) -> Found:
    """Runs a detector on a frame and on its translation, whose boxes are scaled to the frame's size."""
    height, width = pair.before.shape[:2]
    other_height, other_width = pair.after.shape[:2]
    after = detect(pair.after, floor).moved((width / other_width, height / other_height))
    return Found(detect(pair.before, floor), after)
