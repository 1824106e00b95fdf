"""Average precision as pycocotools has it."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from unit_edge.runtime.check.boxes import Boxes, area

_MOST = 100  # boxes of a picture, as COCO has it


def average_precision(
    truths: Sequence[Boxes], crowds: Sequence[Sequence[bool]], found: Sequence[Boxes]
) -> dict[str, float | None]:
    """COCO's AP over IoU 0.50-0.95, and AP50; None where there is nothing to find.

    Args:
        truths: of each picture.
        crowds: for each of these boxes, whether it is of a crowd.
        found: of each picture.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    categories = sorted({int(c) for boxes in truths for c in boxes.classes})
    annotations: list[dict[str, Any]] = []
    for image, (boxes, crowd) in enumerate(zip(truths, crowds, strict=True)):
        for row, own, number, many in zip(boxes.xyxy, area(boxes.xyxy), boxes.classes, crowd, strict=True):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": int(number),
                    "bbox": _xywh(row),
                    "area": float(own),
                    "iscrowd": int(many),
                }
            )
    results = [
        {"image_id": image, "category_id": int(number), "bbox": _xywh(row), "score": float(score)}
        for image, boxes in enumerate(found)
        for row, score, number in zip(boxes.xyxy, boxes.scores, boxes.classes, strict=True)
    ]
    if not annotations:
        return {"ap": None, "ap50": None}
    if not results:
        return {"ap": 0.0, "ap50": 0.0}
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "info": {},
            "images": [{"id": image} for image in range(len(truths))],
            "annotations": annotations,
            "categories": [{"id": number, "name": str(number)} for number in categories],
        }
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(results), "bbox")
        evaluation.params.maxDets = [1, 10, _MOST]
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    whole, half = evaluation.stats[:2]
    return {"ap": _share(whole), "ap50": _share(half)}


def _share(value: float) -> float | None:
    return None if value < 0 else float(value)


def _xywh(row: np.ndarray[Any, np.dtype[np.float64]]) -> list[float]:
    x1, y1, x2, y2 = row.tolist()
    return [x1, y1, x2 - x1, y2 - y1]
