"""How much work a graph's operations are for frames of one shape: told before a backend begins with it.

A model of allowed operators and small tensors can still keep a backend busy for hours. So the work of every
operation is worked out from the file, and a model that needs more than frames of that size can explain is
refused. Needs numpy only.
"""

from __future__ import annotations

import math

from unit_edge.files.onnx_graph import Node
from unit_edge.files.onnx_tensor import Tensor

MACS_AT_MOST = 2**37
"""Multiply-accumulates for one frame, whatever its size: two seconds of two cores ..."""
MACS_A_PIXEL = 2**23
"""... and for each of its pixels: three times what the paper's network takes at the size of the frame."""

# As how many multiply-accumulates of a convolution something else counts, so that it takes no longer in the
# slower of ONNX Runtime and OpenVINO (docs/experiments/speed/operators.py measures it).
_ELEMENT = 256
_COSTLY_ELEMENTS = {
    "Erf": 2048, "Exp": 2048, "Gather": 2048, "Log": 2048, "Mod": 2048, "Pow": 2048, "Slice": 512,
    "Softplus": 2048, "Transpose": 2048,
}  # fmt: skip
_CUBIC_ELEMENT = 8192
_TRANSPOSED, _GROUPED, _POOLED, _POOLED_APART, _UNCOMMON_TYPE = 4, 8, 64, 2048, 64
_COMMON_TYPES = {"float16", "float32", "int8", "uint8"}


def work_of(node: Node, given: list[Tensor | None], made: dict[str, Tensor]) -> float:
    """What an operation takes, as multiply-accumulates of a convolution, of what `worked_out` gives."""
    there = [one for one in given if one is not None]
    first = next(iter(made.values()), None)
    elements = sum(math.prod(one.shape) for one in (*there, *made.values()))
    each = _COSTLY_ELEMENTS.get(node.operator, _ELEMENT)
    if node.operator == "Resize" and node.text("mode") == "cubic":
        each = _CUBIC_ELEMENT
    windows = _windows(node, there, math.prod(first.shape)) if first is not None and there else 0
    return each * elements + windows


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
