"""How much work a graph's operations are for frames of one shape: told before a backend begins with it.

A model of allowed operators and small tensors can still keep a backend busy for hours. So the work of every
operation is worked out from the file, and a model that needs more than frames of that size can explain is
refused. Needs numpy only.
"""

from __future__ import annotations

import math
from pathlib import Path

from unit_edge.errors import ModelError
from unit_edge.files.onnx_graph import Node, read_graph
from unit_edge.files.onnx_memory import LIMITS, limited
from unit_edge.files.onnx_shapes import worked_out
from unit_edge.files.onnx_tensor import Tensor
from unit_edge.files.protobuf import Refused

MACS_AT_MOST = 2**37
"""Multiply-accumulates for one frame, whatever its size: two seconds of two cores ..."""
MACS_A_PIXEL = 2**23
"""... and for each of its pixels: three times what the paper's network takes at the size of the frame."""

# As how many multiply-accumulates of a convolution something else counts, so that it takes no longer in the
# slower of ONNX Runtime and OpenVINO (docs/experiments/operators.py measures it).
_ELEMENT = 256
_COSTLY_ELEMENTS = {
    "Erf": 2048, "Exp": 2048, "Gather": 2048, "Log": 2048, "Mod": 2048, "Pow": 2048, "Slice": 512,
    "Softplus": 2048, "Transpose": 2048,
}  # fmt: skip
_CUBIC_ELEMENT = 8192
_TRANSPOSED, _GROUPED, _POOLED, _POOLED_APART, _UNCOMMON_TYPE = 4, 8, 64, 2048, 64
_COMMON_TYPES = {"float16", "float32", "int8", "uint8"}


def check_work(path: Path, shape: tuple[int, ...]) -> None:
    """Refuses a model that would take much longer than frames of that shape can explain.

    Args:
        path: of an ONNX file that `check_onnx` has let pass.
        shape: of the frames, [N,H,W,3].

    Raises:
        ModelError: it would, or its shapes don't fit together or can't be worked out.
    """
    if not limited():
        return
    at_most = shape[0] * (MACS_AT_MOST + MACS_A_PIXEL * math.prod(shape[1:3]))
    size = f"{shape[2]}x{shape[1]}"
    try:
        needed = work(path, shape, at_most)
    except Refused as refused:
        raise ModelError(
            f"{path}: no model of ours for frames of {size}: {refused}; export it with `unit-edge export`"
        ) from None
    if needed > at_most:
        raise ModelError(
            f"{path}: its operations would take as long as {needed / 1e12:.1f} trillion "
            f"multiplications or longer for frames of {size}, expected {at_most / 1e12:.1f} at most; "
            f"if you trust it, run it with {LIMITS}=off"
        )


def work(path: Path, shape: tuple[int, ...], enough: float = math.inf) -> float:
    """What all operations take, as multiply-accumulates of a convolution; not counted far beyond `enough`."""
    graph = read_graph(path)
    total = 0.0
    for node, given, made in worked_out(graph, shape):
        total += _work_of(node, given, list(made.values()))
        if total > enough:
            break
    return total


def _work_of(node: Node, given: list[Tensor | None], made: list[Tensor]) -> float:
    there = [one for one in given if one is not None]
    elements = sum(math.prod(one.shape) for one in (*there, *made))
    each = _COSTLY_ELEMENTS.get(node.operator, _ELEMENT)
    if node.operator == "Resize" and node.text("mode") == "cubic":
        each = _CUBIC_ELEMENT
    return each * elements + (_windows(node, there, math.prod(made[0].shape)) if made and there else 0)


def _windows(node: Node, there: list[Tensor], output: int) -> float:
    """The work of sums over windows and rows."""
    first = there[0]
    type_of = 1 if str(first.dtype) in _COMMON_TYPES else _UNCOMMON_TYPE
    grouped = 1 if node.integer("group", 1) == 1 else _GROUPED
    if node.operator == "Conv":
        return output * math.prod(there[1].shape[1:]) * grouped * type_of
    if node.operator == "ConvTranspose":
        return math.prod(first.shape) * math.prod(there[1].shape[1:]) * grouped * _TRANSPOSED * type_of
    if node.operator in ("MatMul", "Gemm"):
        return output * first.shape[0 if node.integer("transA", 0) else -1] * type_of
    if node.operator in ("AveragePool", "MaxPool"):
        apart = any(step != 1 for step in node.integers("dilations") or ())
        return output * math.prod(node.integers("kernel_shape") or ()) * (_POOLED_APART if apart else _POOLED)
    return 0
