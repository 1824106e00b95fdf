"""The operations of an ONNX file and the shapes of what it stores, read without the package `onnx`."""

from __future__ import annotations

import math
import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unit_edge.files.protobuf import Fields, Refused, varints

_VALUES_AT_MOST = 1024
"""Stored data up to this size may be shapes, and is read."""

# TensorProto.DataType → what takes as much memory and, where it may be part of a shape, has the same values
_DTYPES: dict[int, Any] = {
    1: np.float32, 2: np.uint8, 3: np.int8, 4: np.uint16, 5: np.int16, 6: np.int32, 7: np.int64, 9: np.bool_,
    10: np.float16, 11: np.float64, 12: np.uint32, 13: np.uint64, 16: np.float16,
}  # fmt: skip
_BFLOAT16 = 16
# fields of TensorProto with elements in them
_FLOATS, _INT32S, _INT64S, _DOUBLES, _UINT64S = 4, 5, 7, 10, 11


@dataclass(frozen=True)
class Stored:
    """Data that the file stores.

    Attributes:
        values: None if there are too many of them for a shape.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    values: NDArray[Any] | None


@dataclass(frozen=True)
class Node:
    """One operation of a graph."""

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]

    def integer(self, name: str, default: int) -> int:
        """An attribute; `default` where it is left out."""
        value = self.attributes.get(name, default)
        return value if isinstance(value, int) else default

    def integers(self, name: str) -> list[int] | None:
        """An attribute with several whole numbers; None where it is left out."""
        value = self.attributes.get(name)
        return value if isinstance(value, list) else None

    def text(self, name: str) -> str:
        """An attribute; "" where it is left out."""
        value = self.attributes.get(name, b"")
        return value.decode("ascii", "replace") if isinstance(value, bytes) else ""

    def dtype(self, name: str) -> np.dtype[Any]:
        """An attribute that stands for a type of elements; ValueError if it is none of exported models'."""
        if (found := _DTYPES.get(self.integer(name, 0))) is None:
            raise ValueError(name)
        dtype: np.dtype[Any] = np.dtype(found)
        return dtype


@dataclass(frozen=True)
class OnnxGraph:
    """What a file computes, in the order in which it is computed."""

    nodes: tuple[Node, ...]
    stored: tuple[Stored, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def read_graph(path: Path) -> OnnxGraph:
    """The graph of a file that `check_onnx` has let pass.

    Raises:
        Refused: something that `check_onnx` doesn't look at isn't what it should be.
        OSError: it can't be read any more.
    """
    with path.open("rb") as file:
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    try:
        return _graph(memoryview(content))
    except (ValueError, TypeError, KeyError, IndexError, struct.error):
        raise Refused("an operation or stored data that is something else") from None


def _graph(view: Any) -> OnnxGraph:
    nodes, stored = list[Node](), list[Stored]()
    inputs, outputs = list[str](), list[str]()
    for number, value in _of(view):
        for inner, part in _of(value) if number == 7 else ():
            if inner == 1:
                nodes.append(_node(part))
            elif inner == 5:
                stored.append(_stored(part))
            elif inner == 11:
                inputs.append(_texts(part, 1)[0])
            elif inner == 12:
                outputs.append(_texts(part, 1)[0])
    return OnnxGraph(nodes=tuple(nodes), stored=tuple(stored), inputs=tuple(inputs), outputs=tuple(outputs))


def _of(view: Any) -> list[tuple[int, Any]]:
    """The fields of a message: number and value."""
    return [(number, value) for number, _, value in Fields().of(view)]


def _texts(view: Any, wanted: int) -> list[str]:
    return [bytes(value).decode() for number, value in _of(view) if number == wanted]


def _node(view: Any) -> Node:
    attributes = {}
    for number, value in _of(view):
        if number == 5:
            name, found = _attribute(value)
            attributes[name] = found
    return Node(
        operator=_texts(view, 4)[0],
        inputs=tuple(_texts(view, 1)),
        outputs=tuple(_texts(view, 2)),
        attributes=attributes,
    )


def _attribute(view: Any) -> tuple[str, Any]:
    name, found = "", None
    floats, integers = list[float](), list[int]()
    for number, value in _of(view):
        if number == 1:
            name = bytes(value).decode()
        elif number == 2:
            found = np.float32(struct.unpack("<f", value)[0])
        elif number == 3:
            found = _signed(value)
        elif number == 4:
            found = bytes(value)
        elif number == 5:
            found = _stored(value)
        elif number == 7:
            floats += np.frombuffer(value, "<f4").tolist()
        elif number == 8:
            integers += map(_signed, varints(value) if not isinstance(value, int) else [value])
    if found is None and integers:
        found = integers
    elif found is None and floats:
        found = np.array(floats, np.float32)
    return name, found


def _stored(view: Any) -> Stored:
    name, dims, kind = "", list[int](), 0
    raw, elements = None, list[Any]()
    for number, value in _of(view):
        if number == 1:
            dims += [value] if isinstance(value, int) else varints(value)
        elif number == 2:
            kind = value
        elif number == 8:
            name = bytes(value).decode()
        elif number == 9:
            raw = value
        elif number in (_FLOATS, _INT32S, _INT64S, _DOUBLES, _UINT64S):
            elements.append((number, value))
    dtype, shape = np.dtype(_DTYPES[kind]), tuple(dims)
    if math.prod(shape) > _VALUES_AT_MOST or kind == _BFLOAT16:
        return Stored(name=name, shape=shape, dtype=dtype, values=None)
    values = np.frombuffer(raw, dtype) if raw is not None else _elements(elements, kind, dtype)
    return Stored(name=name, shape=shape, dtype=dtype, values=values.reshape(shape))


def _elements(fields: list[Any], kind: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Data that isn't stored as bytes."""
    found: list[Any] = []
    for number, value in fields:
        if number == _FLOATS:
            found += np.frombuffer(value, "<f4").tolist()
        elif number == _DOUBLES:
            found += np.frombuffer(value, "<f8").tolist()
        else:
            found += map(_signed, [value] if isinstance(value, int) else varints(value, _VALUES_AT_MOST))
    if dtype == np.float16:
        return np.array(found, np.uint16).view(np.float16)
    return np.array(found).astype(dtype)


def _signed(value: Any) -> int:
    """A varint as protobuf's int64 has it."""
    return int(value) - 2**64 if value >= 2**63 else int(value)
