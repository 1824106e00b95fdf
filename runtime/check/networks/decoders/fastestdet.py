"""FastestDet: one grid with objectness, box and classes in its channels."""

from __future__ import annotations

import numpy as np

from unit_edge.runtime.check.boxes import Boxes, from_centres
from unit_edge.runtime.check.networks.decoders.layout import Layout, Size, Tensors, best_class, sigmoid
from unit_edge.runtime.check.networks.fit import Preprocess

_STRIDE = 16
_OBJECT_POWER, _CLASS_POWER = 0.6, 0.4  # as its authors weigh the two


def _fits(outputs: Tensors, size: Size) -> bool:
    shape = next(iter(outputs.values())).shape
    grid = (size[1] // _STRIDE, size[0] // _STRIDE)
    return len(outputs) == 1 and len(shape) == 4 and shape[0] == 1 and shape[1] > 5 and shape[2:] == grid


def _decode(outputs: Tensors, size: Size, floor: float) -> Boxes:
    """float[1,5+C,H/16,W/16]: objectness, offset in cells (tanh), size in shares (sigmoid), classes."""
    tensor = np.asarray(next(iter(outputs.values())), np.float64)[0]
    _, rows, columns = tensor.shape
    y, x = np.mgrid[:rows, :columns]
    centres = np.stack([(x + np.tanh(tensor[1])) / columns, (y + np.tanh(tensor[2])) / rows], -1)
    boxes = from_centres(
        np.concatenate([centres, sigmoid(tensor[3:5]).transpose(1, 2, 0)], -1).reshape(-1, 4)
    )
    scores = tensor[:1] ** _OBJECT_POWER * tensor[5:] ** _CLASS_POWER
    return best_class(
        boxes * np.array([*size, *size]), scores.transpose(1, 2, 0).reshape(rows * columns, -1), floor
    )


FASTESTDET = Layout(
    name="fastestdet",
    tensors="float[1,5+C,H/16,W/16]: objectness, box, classes in channels",
    preprocess=Preprocess("stretch", "bgr", "0-1"),
    fits=_fits,
    decode=_decode,
    overlapping=True,
    count=lambda outputs: next(iter(outputs.values())).shape[1] - 5,
)
