"""Detectors with the non-maximum suppression in the graph, and such as need none: one row a box."""

from __future__ import annotations

import numpy as np

from unit_edge.runtime.check.boxes import Boxes
from unit_edge.runtime.check.networks.decoders.layout import Layout, Size, Tensors, are_shares
from unit_edge.runtime.check.networks.fit import Preprocess

_MOST = 1000  # rows; more are no result of an NMS


def _only(outputs: Tensors) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    return next(iter(outputs.values()))


def _fits_six(outputs: Tensors, size: Size) -> bool:
    shape = _only(outputs).shape
    six = len(outputs) == 1 and len(shape) == 3 and shape[0] == 1 and shape[1] <= _MOST and shape[2] == 6
    return six and not are_shares(_only(outputs)[0])


def _decode_six(outputs: Tensors, size: Size, floor: float) -> Boxes:
    """float[1,N,6]: left, top, right, bottom in pixels, confidence, class; unused rows have confidence 0."""
    rows = _only(outputs)[0]
    return Boxes.of(rows[:, :4], rows[:, 4], rows[:, 5]).above(max(floor, 1e-6))


def _fits_seven(outputs: Tensors, size: Size) -> bool:
    shape = _only(outputs).shape
    return len(outputs) == 1 and len(shape) == 2 and shape[1] == 7


def _decode_seven(outputs: Tensors, size: Size, floor: float) -> Boxes:
    """float[N,7]: picture of the batch, left, top, right, bottom in pixels, class, confidence."""
    rows = _only(outputs)
    return Boxes.of(rows[:, 1:5], rows[:, 6], rows[:, 5]).above(max(floor, 1e-6))


END2END = Layout(
    name="yolo-nms",
    tensors="float[1,N,6]: x1, y1, x2, y2, confidence, class; ultralytics with nms=True, YOLOv10, YOLO26",
    preprocess=Preprocess(),
    fits=_fits_six,
    decode=_decode_six,
)
YOLOV7 = Layout(
    name="yolov7-nms",
    tensors="float[N,7]: picture, x1, y1, x2, y2, class, confidence; YOLOv7 with --end2end",
    preprocess=Preprocess(),
    fits=_fits_seven,
    decode=_decode_seven,
)
