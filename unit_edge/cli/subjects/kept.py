"""Detections kept, for `evaluate`: counted beside what else is measured of the same translations."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unit_edge.runtime.check.networks.detector import Detector
    from unit_edge.train.evaluation.bootstrap import Figure
    from unit_edge.train.evaluation.metrics import Image, Translate

_CONFIDENCE, _IOU = 0.3, 0.5  # as of `unit-edge check`


class Counted:
    """A translation that also runs a detector on the image and on what became of it."""

    def __init__(self, translate: Translate, detector: Detector) -> None:
        self._translate, self._detector = translate, detector
        self._counts: list[tuple[int, int, int]] = []

    def __call__(self, image: Image) -> Image:
        """uint8[H,W,3] BGR to the same."""
        from unit_edge.runtime.check.kept import kept_counts

        made = self._translate(image)
        counts = kept_counts(self._detector, image, made, confidence=_CONFIDENCE, iou_threshold=_IOU)
        self._counts.append(counts)
        return made

    def figures(self, seed: int) -> dict[str, Figure]:
        """Share of the images' boxes kept, and share of the translations' boxes invented."""
        import numpy as np

        from unit_edge.runtime.check.intervals import ratios
        from unit_edge.train.evaluation.bootstrap import Figure

        before, after, kept = np.array(self._counts, np.int64).reshape(-1, 3).T
        found = ratios(np.stack([kept, after - kept], 1), np.stack([before, after], 1), seed)
        totals = int(before.sum()), int(after.sum())
        return {
            name: Figure(value=math.nan if f.value is None else f.value, low=f.low, high=f.high, count=count)
            for name, f, count in zip(("detections_kept", "detections_invented"), found, totals, strict=True)
        }
