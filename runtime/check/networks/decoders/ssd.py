"""SSD and its like: boxes, scores and classes as tensors of their own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unit_edge.runtime.check.boxes import Boxes
from unit_edge.runtime.check.networks.decoders.layout import (
    IN_PIXELS_FROM,
    Array,
    Layout,
    Size,
    Tensors,
    best_class,
    by_name,
)
from unit_edge.runtime.check.networks.fit import Preprocess


@dataclass(frozen=True)
class _Found:
    """float[N,4], float[N], number[N]; `yx` where the boxes are top, left, bottom, right."""

    boxes: Array
    scores: Array
    classes: Array
    yx: bool


def _found(outputs: Tensors) -> _Found | None:
    boxes = by_name(outputs, "boxes", "bboxes", "dets", "det_boxes", "detection_boxes", "pred_boxes")
    scores = by_name(outputs, "scores", "det_scores", "detection_scores")
    classes = by_name(outputs, "labels", "classes", "det_classes", "detection_classes")
    if boxes is None or scores is None or classes is None or boxes.shape[-1] != 4:
        boxes, scores, classes = _by_shape(outputs)
    if boxes is None or scores is None or classes is None:
        return None
    number = by_name(outputs, "num_dets", "num_detections")
    used = slice(None) if number is None else slice(int(np.asarray(number).reshape(-1)[0]))
    found = _Found(
        boxes=boxes.reshape(-1, 4)[used],
        scores=scores.reshape(-1)[used],
        classes=classes.reshape(-1)[used],
        yx="detection_boxes" in outputs,
    )
    return found if len(found.boxes) == len(found.scores) == len(found.classes) else None


def _by_shape(outputs: Tensors) -> tuple[Array | None, Array | None, Array | None]:
    """Of three outputs one [...,4], one of whole numbers, one of floats, as torchvision exports them."""
    if len(outputs) != 3:
        return None, None, None
    flat = [tensor for tensor in outputs.values() if tensor.shape[-1:] != (4,)]
    boxes = [tensor for tensor in outputs.values() if tensor.shape[-1:] == (4,) and tensor.ndim >= 2]
    whole = [tensor for tensor in flat if np.issubdtype(tensor.dtype, np.integer)]
    floats = [tensor for tensor in flat if np.issubdtype(tensor.dtype, np.floating)]
    if len(boxes) == len(whole) == len(floats) == 1:
        return boxes[0], floats[0], whole[0]
    return None, None, None


def _decode(outputs: Tensors, size: Size, floor: float) -> Boxes:
    """boxes [N,4] or [1,N,4] in pixels or in shares of the picture, scores and classes [N] or [1,N]."""
    found = _found(outputs)
    if found is None or not len(found.scores):
        return Boxes.of([], [], [])
    boxes = np.asarray(found.boxes, np.float64)
    if found.yx:
        boxes = boxes[:, [1, 0, 3, 2]]
    if boxes.max() <= IN_PIXELS_FROM:
        boxes = boxes * [*size, *size]
    return Boxes.of(boxes, found.scores, np.asarray(found.classes, np.float64).round()).above(
        max(floor, 1e-6)
    )


def _raw(outputs: Tensors) -> tuple[Array, Array] | None:
    """boxes [1,N,4] and scores [1,N,C] of as many rows."""
    if len(outputs) != 2:
        return None
    boxes, scores = sorted(outputs.values(), key=lambda tensor: tensor.shape[-1] != 4)
    if boxes.ndim == scores.ndim == 3 and boxes.shape[:2] == scores.shape[:2] and boxes.shape[2] == 4:
        return boxes[0], scores[0]
    return None


def _decode_raw(outputs: Tensors, size: Size, floor: float) -> Boxes:
    """Boxes in shares of the picture, and scores in 0..1 whose first class is the background."""
    found = _raw(outputs)
    if found is None:
        return Boxes.of([], [], [])
    boxes, scores = np.asarray(found[0], np.float64), np.asarray(found[1])
    if boxes.max(initial=0) <= IN_PIXELS_FROM:
        boxes = boxes * [*size, *size]
    best = best_class(boxes, scores[:, 1:], floor)
    return Boxes(best.xyxy, best.scores, best.classes + 1)


def _raw_count(outputs: Tensors) -> int | None:
    found = _raw(outputs)
    return None if found is None else found[1].shape[1]


SSD = Layout(
    name="ssd",
    tensors="boxes [N,4] (pixels or shares), scores [N], classes [N]: torchvision, "
    "TensorFlow (detection_boxes), EfficientNMS (det_boxes)",
    preprocess=Preprocess("stretch"),
    fits=lambda outputs, size: _found(outputs) is not None,
    decode=_decode,
    coco_ids=True,
)
SSD_RAW = Layout(
    name="ssd-raw",
    tensors="boxes [1,N,4] and scores [1,N,C], whose class 0 is the background",
    preprocess=Preprocess("stretch"),
    fits=lambda outputs, size: "logits" not in outputs and _raw(outputs) is not None,
    decode=_decode_raw,
    overlapping=True,
    coco_ids=True,
    count=_raw_count,
)
