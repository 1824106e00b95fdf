"""DETR and its like: a box and classes for each of some hundred queries, no suppression needed."""

from __future__ import annotations

import numpy as np

from unit_edge.runtime.check.boxes import Boxes, from_centres
from unit_edge.runtime.check.networks.decoders.layout import (
    Array,
    Layout,
    Size,
    Tensors,
    are_shares,
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
    if logits is None and boxes is None:  # RF-DETR's export
        logits, boxes = outputs.get("labels"), outputs.get("dets")
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
    rows = len(outputs) == 1 and len(shape) == 3 and shape[0] == 1 and shape[1] <= _MOST
    return rows and (shape[2] > 6 or (shape[2] == 6 and are_shares(next(iter(outputs.values()))[0])))


def _is_ranked(rows: Array) -> bool:
    """Whether rows of 6 end with a score and the number of a class, not with the scores of two classes."""
    return rows.shape[1] == 6 and bool((rows[:, 5] == np.round(rows[:, 5])).all())


def _decode_rtdetr(outputs: Tensors, size: Size, floor: float) -> Boxes:
    """Centre and size in shares of the picture; then scores, float[1,Q,4+C], or score and class, [1,Q,6]."""
    rows = next(iter(outputs.values()))[0]
    if _is_ranked(rows):
        return Boxes.of(_pixels(rows[:, :4], size), rows[:, 4], rows[:, 5]).above(max(floor, 1e-6))
    return best_class(_pixels(rows[:, :4], size), rows[:, 4:], floor)


def _rtdetr_count(outputs: Tensors) -> int | None:
    rows = next(iter(outputs.values()))[0]
    return None if _is_ranked(rows) else rows.shape[1] - 4


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
DEFORMABLE = Layout(
    name="deformable-detr",
    tensors="logits [1,Q,C], pred_boxes [1,Q,4], RF-DETR's labels and dets: sigmoid, as Deformable and "
    "Conditional DETR; recognised by 91 classes or RF-DETR's names, or told",
    preprocess=_IMAGENET,
    fits=lambda outputs, size: _count(outputs) is not None and (_count(outputs) == 91 or "dets" in outputs),
    decode=_decode_sigmoid,
    coco_ids=True,
    count=_count,
)
DETR_SIGMOID = Layout(
    name="detr-sigmoid",
    tensors="logits [1,Q,C], pred_boxes [1,Q,4]: sigmoid, as RT-DETR and D-FINE; recognised by 80 classes, "
    "by as many names of classes, or told",
    preprocess=Preprocess("stretch"),
    fits=lambda outputs, size: _count(outputs) == 80,
    decode=_decode_sigmoid,
    coco_ids=True,
    count=_count,
)
RTDETR = Layout(
    name="rtdetr",
    tensors="float[1,Q,4+C]: centre, size, scores, Q up to 1000, or [1,Q,6]: centre, size, score, class; "
    "ultralytics' RT-DETR",
    preprocess=Preprocess("stretch"),
    fits=_fits_rtdetr,
    decode=_decode_rtdetr,
    count=_rtdetr_count,
)
