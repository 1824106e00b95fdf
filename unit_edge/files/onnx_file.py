"""What an ONNX file may hold, looked at before any backend or library sees it. Needs numpy only.

A model from a stranger is a program. Ours are a known, small set of operators without control flow,
subgraphs, functions or data in other files; what holds anything else is refused. docs/security.md says what
that leaves.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from unit_edge.errors import ModelError, UnitEdgeError
from unit_edge.files.protobuf import BYTES, Fields, Refused, Value, inside, varints, whole
from unit_edge.text.printable import one_line

OPERATORS = {
    "Abs", "Add", "And", "AveragePool", "BatchNormalization", "Cast", "Ceil", "Clip", "Concat", "Constant",
    "Conv", "ConvTranspose", "DepthToSpace", "DequantizeLinear", "Div", "Equal", "Erf", "Exp",
    "Flatten", "Floor", "Gather", "Gemm", "GlobalAveragePool", "Greater", "GreaterOrEqual",
    "GroupNormalization", "HardSigmoid", "HardSwish", "Identity", "InstanceNormalization",
    "LayerNormalization", "LeakyRelu", "Less", "LessOrEqual", "Log", "LogSoftmax", "MatMul", "Max",
    "MaxPool", "Min", "Mod", "Mul", "Neg", "Not", "Or", "PRelu", "Pad", "Pow", "QuantizeLinear",
    "Reciprocal", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare",
    "Relu", "Reshape", "Resize", "Round", "Shape", "Sigmoid", "Sign", "Slice", "Softmax", "Softplus",
    "SpaceToDepth", "Split", "Sqrt", "Squeeze", "Sub", "Tanh", "Transpose", "Unsqueeze", "Where",
}  # fmt: skip
"""Those of exported models, of their int8 forms and of close relatives; none makes data out of nothing, or
runs a graph inside a graph."""

NODES_AT_MOST = 1024
"""OpenVINO takes 5 s of a core for a chain of so many, four times that for twice as many; the bundled models
have 118 at most."""
_FOREIGN_NODES_AT_MOST = 2**17
"""Of networks that aren't ours: older exports spell a constant or an index out in dozens of operations."""
BYTES_AT_MOST = 2**31
"""Of a file: what protobuf itself can hold."""
_NAME_AT_MOST = 1024
_DIMENSIONS_AT_MOST = 8
_IR_AT_MOST = 99
_OPSET_AT_MOST = 99  # 2026 has 26
_SIDE_AT_MOST = 2**20
_LISTED_AT_MOST = 64

_OWN_DOMAINS = (b"", b"ai.onnx")
# TensorProto.DataType → bits; others aren't in exported models
_BITS = {1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64, 16: 16}
# fields of TensorProto with elements in them → bytes of each, None for varints
_ELEMENTS = {4: 4, 5: None, 7: None, 10: 8, 11: None}
# TensorProto.DataType → which of them has its elements; 5 has all others'
_FIELD_OF = {1: 4, 7: 7, 11: 10, 12: 11, 13: 11}


def check_onnx(path: Path, *, any_operator: bool = False) -> None:
    """Looks through the structure of an ONNX file.

    Args:
        path: of it.
        any_operator: ONNX's own operators beside ours are fine, as long as none holds a graph.

    Raises:
        ModelError: it is damaged, holds something that exported models don't, or says sizes that its data
            doesn't have.
    """
    try:
        size = path.stat().st_size
        if size > BYTES_AT_MOST:
            raise Refused(f"{size} bytes, expected {BYTES_AT_MOST} at most")
        if size == 0:
            raise Refused("it is empty")
        with path.open("rb") as file:
            # closed by whoever lets go of it last: an exception on its way holds parts of it
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        _Look(any_operator).model(memoryview(content))
    except OSError as error:
        raise ModelError(f"{path}: can't be read ({error.strerror or error})") from None
    except Refused as refused:
        if any_operator:
            raise ModelError(f"{path}: damaged, or no network that runs here: {refused}") from None
        raise ModelError(
            f"{path}: damaged, or no ONNX model of ours: {refused}; export the model with `unit-edge export`"
        ) from None


@contextmanager
def loaded_by(library: str, path: Path) -> Iterator[None]:
    """Within it a library reads a file from a stranger, and whatever it raises is a ModelError of one line.

    Libraries for ONNX raise exceptions of many kinds, which share no base.

    Args:
        library: for people: "OpenVINO".
        path: of the file.
    """
    try:
        yield
    except UnitEdgeError:
        raise
    except Exception as error:
        raise ModelError(f"{path}: {library} can't load it: {one_line(error)}; export it again") from error


class _Look:
    """One look through a file."""

    def __init__(self, any_operator: bool) -> None:
        self._any_operator = any_operator
        self._nodes_at_most = _FOREIGN_NODES_AT_MOST if any_operator else NODES_AT_MOST
        self._fields = Fields().of

    def model(self, view: memoryview) -> None:
        graphs = opsets = 0
        for number, kind, value in self._fields(view):
            if number == 1:
                version = whole(kind, value)
                if not 0 <= version <= _IR_AT_MOST:  # OpenVINO would try it as other frameworks' files
                    raise Refused(f"an ONNX file of version {version}, expected {_IR_AT_MOST} at most")
            elif number in (2, 3, 4):  # what made it, in which version, and its domain
                _text(inside(kind, value))
            elif number == 7:
                graphs += 1
                if graphs > 1:
                    raise Refused("two graphs in it")
                self._graph(inside(kind, value))
            elif number == 8:
                opsets += 1
                self._opset(inside(kind, value))
            elif number == 14:
                for _, inner_kind, part in self._fields(inside(kind, value)):
                    _text(inside(inner_kind, part), at_most=BYTES_AT_MOST)  # detectors' names of classes
            elif number == 20:
                raise Refused("training instructions in it")
            elif number == 25:
                raise Refused("functions in it")
        if not graphs:
            raise Refused("no graph in it")
        if not opsets:
            raise Refused("it doesn't say which operators it is made of")

    def _opset(self, view: memoryview) -> None:
        version = 0
        for number, kind, value in self._fields(view):
            if number == 2:
                version = whole(kind, value)
            if number == 1 and bytes(inside(kind, value)) not in _OWN_DOMAINS:
                raise Refused(f"operators of {_text(value)!r}, expected ONNX's own")
        if not 1 <= version <= _OPSET_AT_MOST:  # OpenVINO goes through all that are missing
            raise Refused(f"operators of version {version}, expected 1 to {_OPSET_AT_MOST}")

    def _graph(self, view: memoryview) -> None:
        known, outputs, nodes = {""}, list[str](), list[memoryview]()
        stored = set[str]()
        for number, kind, value in self._fields(view):
            if number == 1:
                nodes.append(inside(kind, value))
                if len(nodes) > self._nodes_at_most:
                    raise Refused(f"more than {self._nodes_at_most} operations")
            elif number == 2:
                _text(inside(kind, value))
            elif number == 5:
                name = self._tensor(inside(kind, value))
                if not name or name in stored:
                    raise Refused(f"stored data without a name, or twice with one: {name!r}")
                stored.add(name)
            elif number == 11:
                known.add(self._value(inside(kind, value)))
            elif number == 12:
                outputs.append(self._value(inside(kind, value)))
            elif number == 15:
                raise Refused("sparse data in it")
        if not nodes:
            raise Refused("no operation in it")
        made = known | stored
        for node in nodes:
            self._node(node, made, stored)
        for name in outputs:
            if not name or name not in made:
                raise Refused(f"nothing makes its output {name!r}")

    def _node(self, view: memoryview, made: set[str], stored: set[str]) -> None:
        """Looks at an operation, and adds what it makes to `made`."""
        inputs, outputs, operators, domains = list[str](), list[str](), list[str](), list[bytes]()
        attributes = list[memoryview]()
        for number, kind, value in self._fields(view):
            if number == 1:
                inputs.append(_text(inside(kind, value)))
            elif number == 2:
                outputs.append(_text(inside(kind, value)))
            elif number == 3:
                _text(inside(kind, value))
            elif number == 4:
                operators.append(_text(inside(kind, value)))
            elif number == 5:
                attributes.append(inside(kind, value))
            elif number == 7:
                domains.append(bytes(inside(kind, value)))
            elif number == 8 and len(inside(kind, value)):
                raise Refused("an operation of a function's variant")
        if len(operators) != 1 or any(domain not in _OWN_DOMAINS for domain in domains):
            raise Refused(f"an operation that isn't ONNX's own ({', '.join(operators) or 'without a name'})")
        if not self._any_operator and operators[0] not in OPERATORS:
            raise Refused(f"the operator {operators[0]!r}, which no exported model has")
        for attribute in attributes:
            self._attribute(attribute, operators[0])
        for name in inputs:
            if name not in made:
                raise Refused(f"{operators[0]} takes {name!r}, which nothing before it makes")
        for name in outputs:
            if name and name in made:
                raise Refused(f"{name!r} is made twice")
            made.add(name)

    def _attribute(self, view: memoryview, operator: str) -> None:
        listed = 0
        for number, kind, value in self._fields(view):
            if number == 1:
                _text(inside(kind, value))
            elif number in (5, 10):
                self._tensor(inside(kind, value))
            elif number in (6, 11):
                raise Refused(f"a graph inside {operator}: control flow")
            elif number in (14, 15, 21, 22, 23):
                raise Refused(f"an attribute of {operator} that no exported model has")
            elif number in (7, 8, 9):
                # packed, an element of 7 takes four bytes and one of 8 at least one
                listed += (
                    1
                    if kind != BYTES or number == 9
                    else len(inside(kind, value)) // (4 if number == 7 else 1)
                )
                if listed > _LISTED_AT_MOST:
                    raise Refused(f"an attribute of {operator} with too many values")

    def _tensor(self, view: memoryview) -> str:
        """Looks at stored data; returns its name."""
        dims, types, raw, name = list[int](), list[int](), list[int](), ""
        elements = dict[int, int]()
        for number, kind, value in self._fields(view):
            if number == 1:
                dims += varints(value) if kind == BYTES else [whole(kind, value)]
            elif number == 2:
                types.append(whole(kind, value))
            elif number == 3:
                raise Refused("data in segments")
            elif number in _ELEMENTS:
                elements[number] = elements.get(number, 0) + _count(_ELEMENTS[number], kind, value)
            elif number == 8:
                name = _text(inside(kind, value))
            elif number == 9:
                raw.append(len(inside(kind, value)))
            elif number == 13 or (number == 14 and whole(kind, value) != 0):
                raise Refused("data in another file")
        if len(types) != 1 or types[0] not in _BITS:
            raise Refused(f"stored data {name!r} of a type that no exported model has")
        if len(dims) > _DIMENSIONS_AT_MOST or any(dim >= 2**63 for dim in dims):
            raise Refused(f"stored data {name!r} of an impossible shape")
        wanted, bits = math.prod(dims), _BITS[types[0]]
        if raw:
            fits = raw == [(wanted * bits + 7) // 8] and not any(elements.values())
        else:
            fits = elements.pop(_FIELD_OF.get(types[0], 5), 0) == wanted and not any(elements.values())
        if not fits:
            raise Refused(f"stored data {name!r}: its shape says {wanted} values, it has others")
        return name

    def _value(self, view: memoryview) -> str:
        """Looks at an input or output; returns its name."""
        name = ""
        for number, kind, value in self._fields(view):
            if number == 1:
                name = _text(inside(kind, value))
            elif number == 2:
                self._type(inside(kind, value))
        return name

    def _type(self, view: memoryview) -> None:
        for number, kind, value in self._fields(view):
            if number != 1:
                if number != 6:  # denotation
                    raise Refused("an input or output that is no tensor")
                continue
            types = []
            for inner, inner_kind, tensor in self._fields(inside(kind, value)):
                if inner == 1:
                    types.append(whole(inner_kind, tensor))
                elif inner == 2:
                    self._shape(inside(inner_kind, tensor))
            if len(types) != 1 or types[0] not in _BITS:
                raise Refused("an input or output of a type that no exported model has")

    def _shape(self, view: memoryview) -> None:
        for number, kind, value in self._fields(view):
            for inner, inner_kind, size in self._fields(inside(kind, value)) if number == 1 else ():
                if inner == 1 and not 0 <= whole(inner_kind, size) <= _SIDE_AT_MOST:
                    raise Refused(f"an input or output of more than {_SIDE_AT_MOST} a side")
                if inner == 2:
                    _text(inside(inner_kind, size))


def _count(width: int | None, kind: int, value: Value) -> int:
    """How many elements are in a field of a tensor, `width` bytes each, or varints."""
    if kind != BYTES:
        return 1
    view = inside(kind, value)
    if width is not None:
        return len(view) // width
    return int((np.frombuffer(view, np.uint8) < 128).sum()) if len(view) else 0


def _text(value: Value, at_most: int = _NAME_AT_MOST) -> str:
    data = bytes(value) if isinstance(value, memoryview) else b""
    if len(data) > at_most:
        raise Refused(f"a name of {len(data)} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Refused("a name that isn't UTF-8") from None
