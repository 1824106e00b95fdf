"""How much memory a graph's tensors take for frames of one shape: told before an engine makes any of them.

Allowed operators can make large tensors of small ones: a Resize of a pixel, an outer product of two rows.
So every shape is worked out from the file, as engines do, and a model whose tensors would need more than
frames of that size can explain is refused. Needs numpy only, as boards have no package `onnx`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unit_edge.errors import ModelError
from unit_edge.onnx_file import Refused
from unit_edge.onnx_graph import Node, OnnxGraph, Stored, read_graph

BYTES_AT_MOST = 2**29
"""Of all tensors that are there at the same time, whatever the frame's size ..."""
BYTES_A_PIXEL = 2**11
"""... for each of its pixels: the paper's network takes a third of that at the size of the frame ..."""
OF_THE_FILE = 4
"""... and times the file's size: weights of 8 bits that become 32."""

_KNOWN_AT_MOST = 1024
"""Tensors up to this size may be what shapes are made of, and are computed."""
_RANK_AT_MOST = 8

_Array = NDArray[Any]


class Tensor:
    """A tensor's type and shape; and its values, if they are few and don't depend on the frame's content.

    `array` of one whose values aren't known takes no memory: it is one number, seen everywhere.
    """

    def __init__(self, array: _Array, *, known: bool = True) -> None:
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
        """As whole numbers; `of` is what they are, for people."""
        if not self.known:
            raise Refused(f"{of} depend on what the frame shows")
        return [int(value) for value in self.array.ravel()]


def check_memory(path: Path, shape: tuple[int, ...]) -> None:
    """Refuses a model that would take much more memory than frames of that shape can explain.

    Args:
        path: of an ONNX file that `check_onnx` has let pass.
        shape: of the frames, [N,H,W,3].

    Raises:
        ModelError: it would, or its shapes don't fit together or can't be worked out.
    """
    at_most = BYTES_AT_MOST + BYTES_A_PIXEL * math.prod(shape[:3]) + OF_THE_FILE * path.stat().st_size
    size = f"{shape[2]}x{shape[1]}"
    try:
        needed = most_at_once(path, shape, at_most)
    except Refused as refused:
        raise ModelError(
            f"{path}: no model of ours for frames of {size}: {refused}; export it with `unit-edge export`"
        ) from None
    if needed > at_most:
        raise ModelError(
            f"{path}: its tensors would take {needed / 2**30:.1f} GiB or more for frames of {size}, expected "
            f"{at_most / 2**30:.1f} GiB at most; export it with `unit-edge export`"
        )


def most_at_once(path: Path, shape: tuple[int, ...], enough: float = math.inf) -> int:
    """The bytes of all tensors that are there at the same time, at the worst moment.

    What doesn't depend on the frame is never let go of, as engines work it out when they load a model. It
    stops counting beyond `enough`.
    """
    graph = read_graph(path)
    last = {name: at for at, node in enumerate(graph.nodes) for name in node.inputs}
    constant = {one.name for one in graph.stored}
    sizes = dict[str, int]()
    alive = most = math.prod(shape)
    for at, (node, made) in enumerate(worked_out(graph, shape)):
        lasting = all(name in constant for name in node.inputs if name)
        for name, tensor in made.items():
            alive += tensor.bytes
            if lasting:
                constant.add(name)
            else:
                sizes[name] = tensor.bytes
        most = max(most, alive)
        if most > enough:
            return most
        for name in {*node.inputs, *made}:
            if last.get(name, len(graph.nodes) if name in graph.outputs else 0) <= at:
                alive -= sizes.pop(name, 0)
    return most


def worked_out(graph: OnnxGraph, shape: tuple[int, ...]) -> Iterator[tuple[Node, dict[str, Tensor]]]:
    """Each operation, and by name the tensors that it makes, for frames of a shape."""
    tensors = {one.name: _stored(one) for one in graph.stored}
    frames = [name for name in graph.inputs if name not in tensors]
    if len(frames) != 1:
        raise Refused(f"it takes {len(frames)} inputs, expected the frame alone")
    tensors[frames[0]] = _unknown(shape, np.dtype(np.uint8))
    for node in graph.nodes:
        found = _made(node, [tensors[name] if name else None for name in node.inputs])
        made = {name: tensor for name, tensor in zip(node.outputs, found, strict=False) if name}
        if any(len(tensor.shape) > _RANK_AT_MOST for tensor in made.values()):
            raise Refused(f"{node.operator} makes a tensor of more than {_RANK_AT_MOST} dimensions")
        tensors |= made
        yield node, made


def _stored(one: Stored) -> Tensor:
    if one.values is None:
        return _unknown(one.shape, one.dtype)
    return Tensor(one.values)


def _unknown(shape: Sequence[int], dtype: Any) -> Tensor:
    if any(side < 0 for side in shape):
        raise Refused(f"a tensor of the impossible shape {list(shape)}")
    try:
        return Tensor(np.broadcast_to(np.zeros((), dtype), tuple(shape)), known=False)
    except ValueError:
        raise Refused(f"a tensor of the impossible shape {list(shape)}") from None


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
            return rule(node, given[0], given)
    except Refused:
        raise
    # numpy's complaints, and what a list lacks: shapes that don't fit each other
    except (ValueError, IndexError, TypeError, OverflowError, ZeroDivisionError, AttributeError):
        shapes = ", ".join(str(list(one.shape)) for one in given if one is not None)
        raise Refused(f"{node.operator} can't work on {shapes}") from None


_Rule = Callable[[Node, Tensor, "list[Tensor | None]"], "list[Tensor]"]


def _constant(node: Node) -> Tensor:
    found = [value for name, value in node.attributes.items() if name.startswith("value")]
    if len(found) != 1 or isinstance(found[0], (str, bytes)):
        raise Refused("a Constant without a value")
    value = found[0]
    return _stored(value) if isinstance(value, Stored) else Tensor(np.asarray(value))


def _as_given(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    """Of the shape and type of its first input; two outputs for Dropout, whose second is its mask."""
    compute = _VALUES.get(node.operator)
    if compute is not None and (values := _known(given)) is not None:
        return [Tensor(np.asarray(compute(*values)).astype(first.dtype))]
    return [_unknown(first.shape, first.dtype)] * max(1, len(node.outputs))


def _broadcast(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    there = [one for one in given if one is not None]
    shape = np.broadcast_shapes(*(one.shape for one in there))
    dtype = np.dtype(bool) if node.operator in _TRUTHS else there[-1].dtype
    compute = _VALUES.get(node.operator)
    if compute is not None and math.prod(shape) <= _KNOWN_AT_MOST and (values := _known(given)) is not None:
        return [Tensor(np.asarray(compute(*values)).astype(dtype))]
    return [_unknown(shape, dtype)]


def _known(given: list[Tensor | None]) -> list[_Array] | None:
    """The inputs' values, if all are known."""
    there = [one for one in given if one is not None]
    return [one.array for one in there] if all(one.known for one in there) else None


def _quotient(a: _Array, b: _Array) -> Any:
    if a.dtype.kind == "f":
        return a / b
    if not b.all():
        raise ZeroDivisionError
    return np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b))  # towards zero


def _clipped(value: _Array, *bounds: _Array) -> _Array:
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
    return [Tensor(first.array.astype(dtype))] if first.known else [_unknown(first.shape, dtype)]


def _quantize(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    return [_unknown(first.shape, np.int8)]


def _dequantize(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    return [_unknown(first.shape, np.float32)]


def _shape(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    shape = first.shape[node.integer("start", 0) : node.integer("end", len(first.shape))]
    return [Tensor(np.array(shape, np.int64))]


def _transpose(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    order = node.integers("perm") or list(range(len(first.shape)))[::-1]
    return [Tensor(first.array.transpose(order), known=first.known)]


def _squeeze(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    axes = _listed(node, given, 1, "axes")
    return [Tensor(first.array.squeeze(None if axes is None else tuple(axes)), known=first.known)]


def _unsqueeze(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    axes = _listed(node, given, 1, "axes")
    return [Tensor(np.expand_dims(first.array, tuple(axes or ())), known=first.known)]


def _slice(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    starts = _listed(node, given, 1, "starts") or []
    ends = _listed(node, given, 2, "ends") or []
    axes = _listed(node, given, 3, "axes") or list(range(len(starts)))
    steps = _listed(node, given, 4, "steps") or [1] * len(starts)
    cut = [slice(None)] * len(first.shape)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        # going backwards, an end before the first is none, not the last
        stop = None if step < 0 and end < -first.shape[axis] else end
        cut[axis] = slice(start, stop, step)
    return [Tensor(first.array[tuple(cut)], known=first.known)]


def _reshape(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    wanted = _listed(node, given, 1, "shape") or []
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
    return Tensor(first.array.reshape(wanted)) if first.known else _unknown(wanted, first.dtype)


def _flatten(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    axis = node.integer("axis", 1)
    return [_reshaped(first, [math.prod(first.shape[:axis]), math.prod(first.shape[axis:])])]


def _concat(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    there = [one for one in given if one is not None]
    axis = range(len(first.shape))[node.integer("axis", 0)]
    shape = [*first.shape]
    shape[axis] = sum(one.shape[axis] for one in there)
    values = _known(given)
    if values is not None and math.prod(shape) <= _KNOWN_AT_MOST:
        return [Tensor(np.concatenate(values, axis))]
    return [_unknown(shape, first.dtype)]


def _split(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    axis = range(len(first.shape))[node.integer("axis", 0)]
    count = len(node.outputs)
    sizes = _listed(node, given, 1, "split")
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
    where = given[1]
    assert where is not None
    shape = first.shape[:axis] + where.shape + first.shape[axis + 1 :]
    if first.known and where.known and math.prod(shape) <= _KNOWN_AT_MOST:
        return [Tensor(np.take(first.array, where.array.astype(np.int64), axis))]
    return [_unknown(shape, first.dtype)]


def _reduced(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    axes = _listed(node, given, 1, "axes")
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
    return [_unknown(shape, first.dtype)]


_REDUCED: dict[str, Callable[..., Any]] = {
    "ReduceMax": np.max, "ReduceMean": np.mean, "ReduceMin": np.min, "ReduceProd": np.prod,
    "ReduceSum": np.sum,
}  # fmt: skip


def _matmul(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    second = given[1]
    assert second is not None
    a = first.shape if len(first.shape) > 1 else (1, *first.shape)
    b = second.shape if len(second.shape) > 1 else (*second.shape, 1)
    if a[-1] != b[-2]:
        raise ValueError
    shape = [*np.broadcast_shapes(a[:-2], b[:-2]), a[-2], b[-1]]
    if len(first.shape) == 1:
        del shape[-2]
    if len(second.shape) == 1:
        del shape[-1]
    return [_unknown(shape, first.dtype)]


def _gemm(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    second = given[1]
    assert second is not None
    a, b = first.shape, second.shape
    rows, inner = a[::-1] if node.integer("transA", 0) else a
    other, columns = b[::-1] if node.integer("transB", 0) else b
    if inner != other:
        raise ValueError
    return [_unknown((rows, columns), first.dtype)]


def _to_space(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    count, channels, height, width = first.shape
    block = node.integer("blocksize", 0)
    return [_unknown((count, channels // block**2, height * block, width * block), first.dtype)]


def _to_depth(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    count, channels, height, width = first.shape
    block = node.integer("blocksize", 0)
    return [_unknown((count, channels * block**2, height // block, width // block), first.dtype)]


def _global_pool(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    return [_unknown((*first.shape[:2], *[1] * (len(first.shape) - 2)), first.dtype)]


def _window(node: Node, sides: Sequence[int], kernel: Sequence[int]) -> list[int]:
    """The sides of what a window that slides over others makes."""
    ones = [1] * len(sides)
    strides, dilations = node.integers("strides") or ones, node.integers("dilations") or ones
    pads = node.integers("pads") or [0] * 2 * len(sides)
    if min(strides) < 1 or min(dilations) < 1 or len(pads) != 2 * len(sides):
        raise ValueError
    made = []
    for at, (side, extent, stride, dilation) in enumerate(
        zip(sides, kernel, strides, dilations, strict=True)
    ):
        if node.text("auto_pad") in ("SAME_UPPER", "SAME_LOWER"):
            made.append(-(-side // stride))
            continue
        free = side + pads[at] + pads[at + len(sides)] - dilation * (extent - 1) - 1
        made.append((-(-free // stride) if node.integer("ceil_mode", 0) else free // stride) + 1)
    return made


def _conv(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    weights = given[1]
    assert weights is not None
    if first.shape[1] != weights.shape[1] * node.integer("group", 1):
        raise ValueError
    sides = _window(node, first.shape[2:], weights.shape[2:])
    return [_unknown((first.shape[0], weights.shape[0], *sides), first.dtype)]


def _pool(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    sides = _window(node, first.shape[2:], node.integers("kernel_shape") or ())
    shape = (*first.shape[:2], *sides)
    return [_unknown(shape, first.dtype), _unknown(shape, np.int64)][: max(1, len(node.outputs))]


def _conv_transpose(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    weights = given[1]
    assert weights is not None
    if first.shape[1] != weights.shape[0]:
        raise ValueError
    sides, kernel = first.shape[2:], weights.shape[2:]
    ones = [1] * len(sides)
    strides, dilations = node.integers("strides") or ones, node.integers("dilations") or ones
    pads = node.integers("pads") or [0] * 2 * len(sides)
    more = node.integers("output_padding") or [0] * len(sides)
    made = [
        (side - 1) * strides[at]
        + more[at]
        + (kernel[at] - 1) * dilations[at]
        + 1
        - pads[at]
        - pads[at + len(sides)]
        for at, side in enumerate(sides)
    ]
    if node.text("auto_pad") in ("SAME_UPPER", "SAME_LOWER"):
        made = [side * stride for side, stride in zip(sides, strides, strict=True)]
    made = node.integers("output_shape") or made
    return [_unknown((first.shape[0], weights.shape[1] * node.integer("group", 1), *made), first.dtype)]


def _pad(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    pads = _listed(node, given, 1, "pads") or []
    axes = _listed(node, given, 3, "axes") or list(range(len(first.shape)))
    shape = [*first.shape]
    for at, axis in enumerate(axes):
        shape[axis] += pads[at] + pads[at + len(axes)]
    return [_unknown(shape, first.dtype)]


def _resize(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    scales, sizes = (given[1], None) if len(given) == 2 else [*given[2:], None, None][:2]
    axes = node.integers("axes") or list(range(len(first.shape)))
    shape = [*first.shape]
    if sizes is not None:
        wanted: list[float] = [*sizes.values("the sizes of a Resize")]
        policy = node.text("keep_aspect_ratio_policy") or "stretch"
        if policy != "stretch":
            ratios = [size / shape[axis] for size, axis in zip(wanted, axes, strict=True)]
            ratio = min(ratios) if policy == "not_larger" else max(ratios)
            wanted = [round(ratio * shape[axis]) for axis in axes]
    elif scales is not None and scales.known:
        factors = scales.array.ravel()
        wanted = [shape[axis] * float(factor) for axis, factor in zip(axes, factors, strict=True)]
    else:
        raise Refused("the sizes of a Resize depend on what the frame shows")
    for axis, side in zip(axes, wanted, strict=True):
        shape[axis] = int(side)
    return [_unknown(shape, first.dtype)]


def _listed(node: Node, given: list[Tensor | None], at: int, name: str) -> list[int] | None:
    """Whole numbers that are an attribute in old operators and an input in new ones; None if left out."""
    if (found := node.integers(name)) is not None:
        return found
    tensor = given[at] if at < len(given) else None
    return None if tensor is None else tensor.values(f"the {name} of a {node.operator}")


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
    "AveragePool": _pool, "Cast": _cast, "Concat": _concat, "Conv": _conv, "ConvTranspose": _conv_transpose,
    "DepthToSpace": _to_space, "DequantizeLinear": _dequantize, "Flatten": _flatten, "Gather": _gather,
    "Gemm": _gemm, "GlobalAveragePool": _global_pool, "MatMul": _matmul, "MaxPool": _pool, "Pad": _pad,
    "QuantizeLinear": _quantize, "Reshape": _reshape, "Resize": _resize, "Shape": _shape, "Slice": _slice,
    "SpaceToDepth": _to_depth, "Split": _split, "Squeeze": _squeeze, "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}  # fmt: skip
