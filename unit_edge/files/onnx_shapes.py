"""The shape of every tensor that an ONNX graph makes, for frames of one shape. Needs numpy only."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import reduce
from typing import Any

import numpy as np

from unit_edge.files.onnx_graph import Node, OnnxGraph, Stored
from unit_edge.files.onnx_tensor import KNOWN_AT_MOST, Array, Tensor, from_file, listed, second, unknown
from unit_edge.files.onnx_windows import conv, conv_transpose, pad, pool, resize
from unit_edge.files.protobuf import Refused

_RANK_AT_MOST = 8


def worked_out(
    graph: OnnxGraph, shape: tuple[int, ...]
) -> Iterator[tuple[Node, list[Tensor | None], dict[str, Tensor]]]:
    """Each operation, the tensors it is given, and by name those that it makes, for frames of a shape."""
    tensors = {one.name: from_file(one) for one in graph.stored}
    frames = [name for name in graph.inputs if name not in tensors]
    if len(frames) != 1:
        raise Refused(f"it takes {len(frames)} inputs, expected the frame alone")
    tensors[frames[0]] = unknown(shape, np.dtype(np.uint8))
    for node in graph.nodes:
        given = [tensors[name] if name else None for name in node.inputs]
        found = _made(node, given)
        made = {name: tensor for name, tensor in zip(node.outputs, found, strict=False) if name}
        if any(len(tensor.shape) > _RANK_AT_MOST for tensor in made.values()):
            raise Refused(f"{node.operator} makes a tensor of more than {_RANK_AT_MOST} dimensions")
        tensors |= made
        yield node, given, made


def _made(node: Node, given: list[Tensor | None]) -> list[Tensor]:
    """What an operation makes of its inputs; None are those that are left out."""
    try:
        with np.errstate(all="ignore"):
            if node.operator == "Constant":
                return [_constant(node)]
            if not given or given[0] is None:
                raise Refused(f"{node.operator} has nothing to work on")
            rule = _RULES.get(node.operator)
            if rule is None:
                raise Refused(f"the operator {node.operator!r}, which no exported model has")
            _check_types(node.operator, given[0], given)
            return rule(node, given[0], given)
    except Refused:
        raise
    # numpy's complaints, and what a list lacks: shapes that don't fit each other
    except (ValueError, IndexError, TypeError, OverflowError, ZeroDivisionError, AttributeError):
        shapes = ", ".join(f"{one.dtype}{list(one.shape)}" for one in given if one is not None)
        raise Refused(f"{node.operator} can't work on {shapes}") from None


# OpenVINO crashes on some operations that ONNX doesn't allow
_OF_FLOATS = {
    "AveragePool", "BatchNormalization", "Ceil", "Conv", "ConvTranspose", "Exp", "Floor", "GlobalAveragePool",
    "GroupNormalization", "HardSigmoid", "HardSwish", "InstanceNormalization", "LayerNormalization",
    "LeakyRelu", "Log", "LogSoftmax", "Reciprocal", "Round", "Sigmoid", "Softmax", "Softplus", "Sqrt", "Tanh",
}  # fmt: skip
_OF_ONE_INPUT = {
    "Abs", "AveragePool", "Cast", "Ceil", "DepthToSpace", "Erf", "Exp", "Flatten", "Floor",
    "GlobalAveragePool", "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "Log", "LogSoftmax", "MaxPool",
    "Neg", "Not", "Reciprocal", "Relu", "Round", "Shape", "Sigmoid", "Sign", "Softmax", "Softplus",
    "SpaceToDepth", "Sqrt", "Tanh", "Transpose",
}  # fmt: skip
_OF_ONE_KIND = {
    "Add", "And", "Clip", "Concat", "Conv", "ConvTranspose", "Div", "Equal", "Gemm", "Greater",
    "GreaterOrEqual", "Less", "LessOrEqual", "MatMul", "Max", "Min", "Mod", "Mul", "Or", "PRelu", "Sub",
}  # fmt: skip


def _check_types(operator: str, first: Tensor, given: list[Tensor | None]) -> None:
    """Raises ValueError if an operation isn't for inputs of these types, or of this number."""
    there = [one for one in given if one is not None]
    kinds = {one.dtype.kind for one in there}
    if (
        (operator in _OF_FLOATS and first.dtype.kind != "f")
        or (operator in _OF_ONE_INPUT and len(given) > 1)
        or (operator in _OF_ONE_KIND and len(kinds) > 1)
        or (operator == "Clip" and any(math.prod(one.shape) != 1 for one in there[1:]))
    ):
        raise ValueError


_Rule = Callable[[Node, Tensor, "list[Tensor | None]"], "list[Tensor]"]


def _constant(node: Node) -> Tensor:
    found = [value for name, value in node.attributes.items() if name.startswith("value")]
    if len(found) != 1 or isinstance(found[0], (str, bytes)):
        raise Refused("a Constant without a value")
    value = found[0]
    if isinstance(value, Stored):
        return from_file(value)
    array = np.asarray(value)
    return Tensor(array.astype(np.float32) if array.dtype.kind == "f" else array)


def _as_given(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    """Of the shape and type of its first input; two outputs for Dropout, whose second is its mask."""
    compute = _VALUES.get(node.operator)
    if compute is not None and (values := _known(given)) is not None:
        return [Tensor(np.asarray(compute(*values)).astype(first.dtype))]
    return [unknown(first.shape, first.dtype)] * max(1, len(node.outputs))


def _check_divisor(node: Node, first: Tensor, divisor: Tensor) -> None:
    """Refuses what a processor can't divide whole numbers by, which ends the process with SIGFPE."""
    if first.dtype.kind not in "iu":
        return
    if not divisor.known:
        raise Refused(f"{node.operator} of whole numbers by some that depend on what the frame shows")
    if not divisor.array.all() or (divisor.array == -1).any():  # the smallest number by -1 is none
        raise Refused(f"{node.operator} of whole numbers by 0 or -1")


def _broadcast(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    there = [one for one in given if one is not None]
    if node.operator in ("Div", "Mod"):
        _check_divisor(node, first, second(given))
    shape = np.broadcast_shapes(*(one.shape for one in there))
    dtype = np.dtype(bool) if node.operator in _TRUTHS else there[-1].dtype
    compute = _VALUES.get(node.operator)
    if compute is not None and math.prod(shape) <= KNOWN_AT_MOST and (values := _known(given)) is not None:
        return [Tensor(np.asarray(compute(*values)).astype(dtype))]
    return [unknown(shape, dtype)]


def _known(given: list[Tensor | None]) -> list[Array] | None:
    """The inputs' values, if all are known."""
    there = [one for one in given if one is not None]
    return [one.array for one in there] if all(one.known for one in there) else None


def _quotient(a: Array, b: Array) -> Any:
    if a.dtype.kind == "f":
        return a / b
    if not b.all():
        raise ZeroDivisionError
    return np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b))  # towards zero


def _clipped(value: Array, *bounds: Array) -> Array:
    low, high = [*bounds, None, None][:2]
    return value if low is None and high is None else np.clip(value, low, high)


_VALUES: dict[str, Callable[..., Any]] = {
    "Abs": np.abs, "Add": np.add, "And": np.logical_and, "Ceil": np.ceil, "Clip": _clipped,
    "Div": _quotient, "Equal": np.equal, "Floor": np.floor, "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal, "Identity": np.array, "Less": np.less,
    "LessOrEqual": np.less_equal, "Max": lambda *all_of: reduce(np.maximum, all_of),
    "Min": lambda *all_of: reduce(np.minimum, all_of), "Mod": np.mod, "Mul": np.multiply,
    "Neg": np.negative, "Not": np.logical_not, "Or": np.logical_or, "Pow": np.power,
    "Reciprocal": np.reciprocal, "Round": np.rint, "Sqrt": np.sqrt, "Sub": np.subtract, "Where": np.where,
}  # fmt: skip
_TRUTHS = {"And", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Or"}


def _cast(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    dtype = node.dtype("to")
    return [Tensor(first.array.astype(dtype))] if first.known else [unknown(first.shape, dtype)]


def _quantize(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    return [unknown(first.shape, np.int8)]


def _dequantize(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    return [unknown(first.shape, np.float32)]


def _shape(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    shape = first.shape[node.integer("start", 0) : node.integer("end", len(first.shape))]
    return [Tensor(np.array(shape, np.int64))]


def _transpose(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    order = node.integers("perm") or list(range(len(first.shape)))[::-1]
    return [Tensor(first.array.transpose(order), known=first.known)]


def _squeeze(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    axes = listed(node, given, 1, "axes")
    return [Tensor(first.array.squeeze(None if axes is None else tuple(axes)), known=first.known)]


def _unsqueeze(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    axes = listed(node, given, 1, "axes")
    return [Tensor(np.expand_dims(first.array, tuple(axes or ())), known=first.known)]


def _slice(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    starts = listed(node, given, 1, "starts") or []
    ends = listed(node, given, 2, "ends") or []
    axes = listed(node, given, 3, "axes") or list(range(len(starts)))
    steps = listed(node, given, 4, "steps") or [1] * len(starts)
    cut = [slice(None)] * len(first.shape)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        # going backwards, an end before the first is none, not the last
        stop = None if step < 0 and end < -first.shape[axis] else end
        cut[axis] = slice(start, stop, step)
    return [Tensor(first.array[tuple(cut)], known=first.known)]


def _reshape(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    wanted = listed(node, given, 1, "shape") or []
    if not node.integer("allowzero", 0):
        wanted = [side or first.shape[at] for at, side in enumerate(wanted)]
    return [_reshaped(first, wanted)]


def _reshaped(first: Tensor, wanted: list[int]) -> Tensor:
    count = math.prod(first.shape)
    if wanted.count(-1) == 1:
        others = -math.prod(wanted)
        wanted = [count // others if side == -1 else side for side in wanted]
    if math.prod(wanted) != count:
        raise ValueError
    return Tensor(first.array.reshape(wanted)) if first.known else unknown(wanted, first.dtype)


def _flatten(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    axis = node.integer("axis", 1)
    return [_reshaped(first, [math.prod(first.shape[:axis]), math.prod(first.shape[axis:])])]


def _concat(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    there = [one for one in given if one is not None]
    axis = range(len(first.shape))[node.integer("axis", 0)]
    shape = [*first.shape]
    shape[axis] = sum(one.shape[axis] for one in there)
    values = _known(given)
    if values is not None and math.prod(shape) <= KNOWN_AT_MOST:
        return [Tensor(np.concatenate(values, axis))]
    return [unknown(shape, first.dtype)]


def _split(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    axis = range(len(first.shape))[node.integer("axis", 0)]
    count = len(node.outputs)
    sizes = listed(node, given, 1, "split")
    if sizes is None:
        each = -(-first.shape[axis] // count)
        sizes = [each] * (count - 1) + [first.shape[axis] - each * (count - 1)]
    if sum(sizes) != first.shape[axis] or min(sizes) < 0:
        raise ValueError
    parts, at = [], 0
    for size in sizes:
        cut = (slice(None),) * axis + (slice(at, at + size),)
        parts.append(Tensor(first.array[cut], known=first.known))
        at += size
    return parts


def _gather(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    axis = range(len(first.shape))[node.integer("axis", 0)]
    where = second(given)
    shape = first.shape[:axis] + where.shape + first.shape[axis + 1 :]
    if first.known and where.known and math.prod(shape) <= KNOWN_AT_MOST:
        return [Tensor(np.take(first.array, where.array.astype(np.int64), axis))]
    return [unknown(shape, first.dtype)]


def _reduced(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    axes = listed(node, given, 1, "axes")
    if not axes and node.integer("noop_with_empty_axes", 0):
        return [first]
    places = range(len(first.shape))
    chosen = {places[axis] for axis in axes} if axes else set(places)
    keep = bool(node.integer("keepdims", 1))
    compute = _REDUCED.get(node.operator)
    if compute is not None and first.known:
        return [
            Tensor(np.asarray(compute(first.array, axis=tuple(chosen), keepdims=keep)).astype(first.dtype))
        ]
    shape = [1 if at in chosen else side for at, side in enumerate(first.shape) if keep or at not in chosen]
    return [unknown(shape, first.dtype)]


_REDUCED: dict[str, Callable[..., Any]] = {
    "ReduceMax": np.max, "ReduceMean": np.mean, "ReduceMin": np.min, "ReduceProd": np.prod,
    "ReduceSum": np.sum,
}  # fmt: skip


def _matmul(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    other = second(given)
    a = first.shape if len(first.shape) > 1 else (1, *first.shape)
    b = other.shape if len(other.shape) > 1 else (*other.shape, 1)
    if a[-1] != b[-2]:
        raise ValueError
    shape = [*np.broadcast_shapes(a[:-2], b[:-2]), a[-2], b[-1]]
    if len(first.shape) == 1:
        del shape[-2]
    if len(other.shape) == 1:
        del shape[-1]
    return [unknown(shape, first.dtype)]


def _gemm(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    a, b = first.shape, second(given).shape
    rows, inner = a[::-1] if node.integer("transA", 0) else a
    other, columns = b[::-1] if node.integer("transB", 0) else b
    if inner != other:
        raise ValueError
    return [unknown((rows, columns), first.dtype)]


def _to_space(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    count, channels, height, width = first.shape
    block = node.integer("blocksize", 0)
    return [unknown((count, channels // block**2, height * block, width * block), first.dtype)]


def _to_depth(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    count, channels, height, width = first.shape
    block = node.integer("blocksize", 0)
    return [unknown((count, channels * block**2, height // block, width // block), first.dtype)]


def _global_pool(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    return [unknown((*first.shape[:2], *[1] * (len(first.shape) - 2)), first.dtype)]


_RULES: dict[str, _Rule] = {
    **dict.fromkeys(
        ("Abs", "BatchNormalization", "Ceil", "Clip", "Dropout", "Erf", "Exp", "Floor", "GroupNormalization",
         "HardSigmoid", "HardSwish", "Identity", "InstanceNormalization", "LayerNormalization", "LeakyRelu",
         "Log", "LogSoftmax", "Neg", "Not", "Reciprocal", "Relu", "Round", "Sigmoid", "Sign", "Softmax",
         "Softplus", "Sqrt", "Tanh"),
        _as_given,
    ),
    **dict.fromkeys(
        ("Add", "And", "Div", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Min",
         "Mod", "Mul", "Or", "PRelu", "Pow", "Sub", "Where"),
        _broadcast,
    ),
    **dict.fromkeys(
        ("ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare"), _reduced
    ),
    "AveragePool": pool, "Cast": _cast, "Concat": _concat, "Conv": conv, "ConvTranspose": conv_transpose,
    "DepthToSpace": _to_space, "DequantizeLinear": _dequantize, "Flatten": _flatten, "Gather": _gather,
    "Gemm": _gemm, "GlobalAveragePool": _global_pool, "MatMul": _matmul, "MaxPool": pool, "Pad": pad,
    "QuantizeLinear": _quantize, "Reshape": _reshape, "Resize": resize, "Shape": _shape, "Slice": _slice,
    "SpaceToDepth": _to_depth, "Split": _split, "Squeeze": _squeeze, "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}  # fmt: skip
