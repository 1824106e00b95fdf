"""DETR and its like: a box and classes for each of some hundred queries, no suppression needed."""

from __future__ import annotations

import numpy as np

from unit_edge.runtime.check.boxes import Boxes, from_centres
from unit_edge.runtime.check.networks.decoders.layout import (
    Array,
    Layout,
    Size,
    Tensors,
    best_class,
    by_name,
    sigmoid,
    softmax,
)
from unit_edge.runtime.check.networks.fit import Preprocess

_MOST = 1000  # queries


def _queries(outputs: Tensors) -> tuple[Array, Array] | None:
    """logits float[Q,C] and boxes float[Q,4]."""
    logits, boxes = by_name(outputs, "logits", "pred_logits"), by_name(outputs, "pred_boxes", "boxes")
    if logits is None or boxes is None or logits.ndim != 3 or boxes.shape[-1] != 4:
        return None
    return logits[0], boxes[0]


def _decode_detr(outputs: Tensors, size: Size, floor: float) -> Boxes:
    """Softmax over the classes, the last of which is "no object"; boxes are centre and size in shares."""
    found = _queries(outputs)
    assert found is not None, "the layout fits"
    return best_class(_pixels(found[1], size), softmax(found[0])[:, :-1], floor)


def _decode_sigmoid(outputs: Tensors, size: Size, floor: float) -> Boxes:
    """The same with a sigmoid for each class and no "no object"."""
    found = _queries(outputs)
    assert found is not None, "the layout fits"
    return best_class(_pixels(found[1], size), sigmoid(found[0]), floor)


def _pixels(boxes: Array, size: Size) -> Array:
    return np.asarray(from_centres(boxes) * np.array([*size, *size]))


def _fits_rtdetr(outputs: Tensors, size: Size) -> bool:
    shape = next(iter(outputs.values())).shape
    return len(outputs) == 1 and len(shape) == 3 and shape[0] == 1 and shape[1] <= _MOST and shape[2] > 6


def _decode_rtdetr(outputs: Tensors, size: Size, floor: float) -> Boxes:
    """float[1,Q,4+C]: centre and size in shares of the picture, scores."""
    rows = next(iter(outputs.values()))[0]
    return best_class(_pixels(rows[:, :4], size), rows[:, 4:], floor)


def _count(outputs: Tensors) -> int | None:
    found = _queries(outputs)
    return None if found is None else found[0].shape[1]


_IMAGENET = Preprocess("stretch", "rgb", "imagenet")

DETR = Layout(
    name="detr",
    tensors="logits [1,Q,C+1], pred_boxes [1,Q,4]: softmax, the last class is no object",
    preprocess=_IMAGENET,
    fits=lambda outputs, size: _queries(outputs) is not None,
    decode=_decode_detr,
    coco_ids=True,
    count=lambda outputs: None if (count := _count(outputs)) is None else count - 1,
)
DETR_SIGMOID = Layout(
    name="detr-sigmoid",
    tensors="logits [1,Q,C], pred_boxes [1,Q,4]: sigmoid, as Deformable DETR, RT-DETR and D-FINE; recognised "
    "by 80 or 91 classes, or told",
    preprocess=Preprocess("stretch"),
    fits=lambda outputs, size: _count(outputs) in (80, 91),
    decode=_decode_sigmoid,
    coco_ids=True,
    count=_count,
)
RTDETR = Layout(
    name="rtdetr",
    tensors="float[1,Q,4+C]: centre, size, scores, Q up to 1000: ultralytics' RT-DETR",
    preprocess=Preprocess("stretch"),
    fits=_fits_rtdetr,
    decode=_decode_rtdetr,
    count=lambda outputs: next(iter(outputs.values())).shape[2] - 4,
)
