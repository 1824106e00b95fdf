"""What shapes are worked out with: a tensor's type and shape, and values that may be part of a shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unit_edge.files.onnx_graph import Node, Stored
from unit_edge.files.protobuf import Refused

KNOWN_AT_MOST = 1024
"""Tensors up to this size may be what shapes are made of, and are computed."""

Array = NDArray[Any]


class Tensor:
    """A tensor's type and shape; and its values, if they are few and don't depend on the frame's content.

    `array` of one whose values aren't known takes no memory: it is one number, seen everywhere.
    """

    def __init__(self, array: Array, *, known: bool = True) -> None:
        self.array, self.known = array, known

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.array.dtype

    @property
    def bytes(self) -> int:
        """What it takes in memory."""
        return math.prod(self.shape) * self.dtype.itemsize

    def values(self, of: str) -> list[int]:
        """The values as whole numbers; `of` is what they are, for people."""
        if not self.known:
            raise Refused(f"{of} depend on what the frame shows")
        return [int(value) for value in self.array.ravel()]


def from_file(one: Stored) -> Tensor:
    if one.values is None:
        return unknown(one.shape, one.dtype)
    return Tensor(one.values)


def unknown(shape: Sequence[int], dtype: Any) -> Tensor:
    if any(side < 0 for side in shape):
        raise Refused(f"a tensor of the impossible shape {list(shape)}")
    try:
        return Tensor(np.broadcast_to(np.zeros((), dtype), tuple(shape)), known=False)
    except ValueError:
        raise Refused(f"a tensor of the impossible shape {list(shape)}") from None


def listed(node: Node, given: list[Tensor | None], at: int, name: str) -> list[int] | None:
    """Whole numbers that are an attribute in old operators and an input in new ones; None if left out."""
    if (found := node.integers(name)) is not None:
        return found
    tensor = given[at] if at < len(given) else None
    return None if tensor is None else tensor.values(f"the {name} of a {node.operator}")


def second(given: list[Tensor | None]) -> Tensor:
    """The second input; ValueError if it is left out."""
    if (found := given[1]) is None:
        raise ValueError
    return found
