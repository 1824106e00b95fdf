"""YOLOv5, YOLOv8 and YOLO11, YOLOX: grids of boxes, with or without anchors, without NMS in the graph."""

from __future__ import annotations

import numpy as np

from unit_edge.runtime.check.boxes import Boxes, from_centres
from unit_edge.runtime.check.networks.decoders.layout import (
    GRIDS,
    Array,
    Layout,
    Size,
    Tensors,
    best_class,
    cells,
)
from unit_edge.runtime.check.networks.fit import Preprocess

_ANCHORS = 3  # of a cell, in YOLOv5 and its like


def _rows(outputs: Tensors, counts: list[int], fewest: int) -> Array | None:
    """The first output float[1,N,K] whose N is one of these and K large enough, as [N,K]."""
    for tensor in outputs.values():
        if (
            tensor.ndim == 3
            and tensor.shape[0] == 1
            and tensor.shape[1] in counts
            and tensor.shape[2] >= fewest
        ):
            return np.asarray(tensor[0])
    return None


def _v5(outputs: Tensors, size: Size) -> Array | None:
    return _rows(outputs, [_ANCHORS * cells(size, grid) for grid in GRIDS], 6)


def _decode_v5(outputs: Tensors, size: Size, floor: float) -> Boxes:
    """float[1,N,5+C]: centre x, centre y, width, height in pixels, objectness, classes."""
    rows = _v5(outputs, size)
    return _with_objectness(next(iter(outputs.values()))[0] if rows is None else rows, floor)


def _with_objectness(rows: Array, floor: float) -> Boxes:
    rows = rows[np.asarray(rows[:, 4]) >= floor]  # no product of the two can be more
    return best_class(from_centres(rows[:, :4]), np.asarray(rows[:, 4:5]) * np.asarray(rows[:, 5:]), floor)


def _v8(outputs: Tensors, size: Size) -> Array | None:
    """The first output float[1,4+C,N], as [N,4+C]; other outputs, as of masks, are left aside."""
    counts = [cells(size, grid) for grid in GRIDS]
    for tensor in outputs.values():
        if tensor.ndim == 3 and tensor.shape[0] == 1 and tensor.shape[2] in counts and tensor.shape[1] >= 5:
            return np.asarray(tensor[0].T)
    return None


def _decode_v8(outputs: Tensors, size: Size, floor: float) -> Boxes:
    """float[1,4+C,N]: centre x, centre y, width, height in pixels, classes."""
    rows = _v8(outputs, size)
    if rows is None:
        rows = next(iter(outputs.values()))[0].T
    return best_class(from_centres(rows[:, :4]), rows[:, 4:], floor)


def _x(outputs: Tensors, size: Size) -> Array | None:
    return _rows(outputs, [cells(size, grid) for grid in GRIDS], 6)


def _decode_x(outputs: Tensors, size: Size, floor: float) -> Boxes:
    """float[1,N,5+C]: x and y as offsets in cells, logarithms of width and height in cells; as YOLOX exports.

    Cells are row by row, the grid of the smallest stride first.
    """
    rows = _x(outputs, size)
    if rows is None:
        rows = next(iter(outputs.values()))[0]
    width, height = size
    grids = next((grid for grid in GRIDS if cells(size, grid) == len(rows)), GRIDS[0])
    corners, strides = [], []
    for stride in grids:
        y, x = np.mgrid[: height // stride, : width // stride]
        corners.append(np.stack([x, y], -1).reshape(-1, 2))
        strides.append(np.full((x.size, 1), stride))
    corner, side = np.concatenate(corners), np.concatenate(strides)
    values = np.asarray(rows, np.float64)
    centres, sides = (values[:, :2] + corner) * side, np.exp(values[:, 2:4].clip(max=20)) * side
    return _with_objectness(np.concatenate([centres, sides, values[:, 4:]], 1), floor)


def _decode_x_done(outputs: Tensors, size: Size, floor: float) -> Boxes:
    rows = _x(outputs, size)
    return _with_objectness(next(iter(outputs.values()))[0] if rows is None else rows, floor)


_AS_YOLOX = Preprocess("top-left", "bgr", "0-255")

V5 = Layout(
    name="yolov5",
    tensors="float[1,N,5+C], N = 3 (W/8 H/8 + W/16 H/16 + W/32 H/32)",
    preprocess=Preprocess(),
    fits=lambda outputs, size: _v5(outputs, size) is not None,
    decode=_decode_v5,
    overlapping=True,
    count=lambda outputs: next(iter(outputs.values())).shape[-1] - 5,
)
V8 = Layout(
    name="yolov8",
    tensors="float[1,4+C,N], N = W/8 H/8 + W/16 H/16 + W/32 H/32; also YOLO11 and YOLOv9",
    preprocess=Preprocess(),
    fits=lambda outputs, size: _v8(outputs, size) is not None,
    decode=_decode_v8,
    overlapping=True,
    count=lambda outputs: next(iter(outputs.values())).shape[1] - 4,
)
X = Layout(
    name="yolox",
    tensors="float[1,N,5+C], N = W/8 H/8 + W/16 H/16 + W/32 H/32, offsets and log sizes",
    preprocess=_AS_YOLOX,
    fits=lambda outputs, size: _x(outputs, size) is not None,
    decode=_decode_x,
    overlapping=True,
    count=lambda outputs: next(iter(outputs.values())).shape[-1] - 5,
)
X_DECODED = Layout(
    name="yolox-decoded",
    tensors="the same in pixels (exported with decode_in_inference); never recognised, only told",
    preprocess=_AS_YOLOX,
    fits=lambda outputs, size: False,
    decode=_decode_x_done,
    overlapping=True,
    count=lambda outputs: next(iter(outputs.values())).shape[-1] - 5,
)
