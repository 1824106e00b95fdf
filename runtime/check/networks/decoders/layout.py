"""What a layout of a detector's outputs is, and the parts that layouts are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unit_edge.runtime.check.boxes import Boxes
from unit_edge.runtime.check.networks.fit import Preprocess

Array = NDArray[Any]
Tensors = dict[str, Array]
"""Outputs by name, in the order of the graph."""
Size = tuple[int, int]
"""Width and height of the network's input, in pixels."""


@dataclass(frozen=True)
class Layout:
    """One way in which detectors give their boxes.

    Attributes:
        name: for --decode.
        tensors: what it looks like, for people.
        preprocess: what such detectors usually expect.
        fits: whether outputs look like it.
        decode: (outputs, size of the input, lowest confidence) to boxes in pixels of the input.
        overlapping: whether there are several boxes of one object, so that non-maximum suppression is needed.
        coco_ids: whether unnamed classes are likely COCO's category ids, 1-90 with gaps.
        count: how many classes the outputs have room for; None where they only have numbers of classes.
    """

    name: str
    tensors: str
    preprocess: Preprocess
    fits: Callable[[Tensors, Size], bool]
    decode: Callable[[Tensors, Size, float], Boxes]
    overlapping: bool = False
    coco_ids: bool = False
    count: Callable[[Tensors], int | None] = lambda _: None


def best_class(boxes: Array, scores: Array, floor: float) -> Boxes:
    """Boxes float[N,4] with the best of their classes' scores float[N,C], where that reaches the floor."""
    if not scores.size:
        return Boxes.of([], [], [])
    classes = np.asarray(scores).argmax(1)
    best = np.take_along_axis(np.asarray(scores), classes[:, None], 1)[:, 0]
    good = np.flatnonzero(best >= floor)
    return Boxes.of(boxes[good], best[good], classes[good])


def cells(size: Size, strides: tuple[int, ...] = (8, 16, 32)) -> int:
    """How many cells the grids of these strides have together."""
    width, height = size
    return sum((width // stride) * (height // stride) for stride in strides)


GRIDS = ((8, 16, 32), (8, 16, 32, 64))
"""The strides that YOLO networks have; the second is of the large "p6" ones."""


def sigmoid(values: Array) -> NDArray[np.float64]:
    """1 / (1 + exp(-x)), which never overflows."""
    return np.asarray(0.5 * (1 + np.tanh(np.asarray(values, np.float64) / 2)))


def softmax(values: Array) -> NDArray[np.float64]:
    """Over the last axis."""
    powers = np.exp(np.asarray(values, np.float64) - np.max(values, axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(-1, keepdims=True))


IN_PIXELS_FROM = 2.0
"""A coordinate above this is in pixels; shares of the picture are hardly above 1."""


def are_shares(rows: Array) -> bool:
    """Whether boxes, of which there are some, are in shares of the picture: float[N,4] or more columns."""
    places = np.asarray(rows)[:, :4]
    return bool(places.size) and 0 < float(np.abs(places).max()) <= IN_PIXELS_FROM


def by_name(outputs: Tensors, *names: str) -> Array | None:
    """The output that is called one of these; None if there is none."""
    return next((outputs[name] for name in names if name in outputs), None)
