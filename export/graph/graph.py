"""An ONNX graph with every shape known: for one frame size, without the weights' values. Needs onnx."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator

from unit_edge.errors import ModelError
from unit_edge.files.onnx_file import check_onnx, loaded_by
from unit_edge.files.onnx_limits import check_limits
from unit_edge.text.printable import one_line

ONNX_PACKAGE = "the package onnx"
ANY_SIZE = (1280, 720)
"""Width and height of frames that are looked at, for a model that takes any."""

_SHAPE_ELEMENTS = 1024
"""Integer tensors up to this size may be shapes and are computed; larger ones are data."""

_OF_SHAPES = {
    "Abs", "Add", "And", "Cast", "Ceil", "Clip", "Concat", "Constant", "Div", "Equal", "Floor", "Gather",
    "Greater", "Identity", "Less", "Max", "Min", "Mod", "Mul", "Neg", "Not", "ReduceMax", "ReduceMin",
    "ReduceProd", "Reshape", "Round", "Slice", "Split", "Squeeze", "Sub", "Transpose", "Unsqueeze", "Where",
}  # fmt: skip
"""Operations that shapes are computed with; none makes more values than it is given."""

_BITS: dict[int, int] = {
    TensorProto.FLOAT: 32, TensorProto.FLOAT16: 16, TensorProto.BFLOAT16: 16, TensorProto.DOUBLE: 64,
    TensorProto.INT8: 8, TensorProto.UINT8: 8, TensorProto.INT16: 16, TensorProto.UINT16: 16,
    TensorProto.INT32: 32, TensorProto.UINT32: 32, TensorProto.INT64: 64, TensorProto.UINT64: 64,
    TensorProto.BOOL: 8,
}  # fmt: skip


@dataclass(frozen=True)
class Tensor:
    """A tensor's element type (onnx.TensorProto.DataType) and its shape."""

    dtype: int
    shape: tuple[int, ...]

    @property
    def elements(self) -> int:
        """How many values it has."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """What it takes in memory."""
        return (self.elements * _BITS.get(self.dtype, 32) + 7) // 8

    @property
    def type_name(self) -> str:
        """The name of the type of its elements, such as "float32" or "uint8"."""
        return str(onnx.helper.tensor_dtype_to_np_dtype(self.dtype))


@dataclass(frozen=True)
class Graph:
    """A graph for frames of one size.

    Attributes:
        batch: frames in one call.
        frame_size: width and height in pixels.
        nodes: onnx.NodeProto in the order of execution, without those that only compute shapes.
        tensors: by name, every input and output of the nodes.
        constants: names of those that don't depend on the frame: weights, and shapes worked out.
        stored_bytes: of all that the file stores.
        inputs: names of the graph's inputs.
        outputs: names of the graph's outputs.
    """

    batch: int
    frame_size: tuple[int, int]
    nodes: tuple[Any, ...]
    tensors: dict[str, Tensor]
    constants: frozenset[str]
    stored_bytes: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def load_onnx(path: Path) -> Any:
    """The onnx.ModelProto of a file.

    Raises:
        ModelError: it can't be read as one, or holds what exported models don't.
    """
    check_onnx(path)
    with loaded_by(ONNX_PACKAGE, path):
        return onnx.load(path, load_external_data=False)


def resolve_file(path: Path, model: Any, frame_size: tuple[int, int] | None = None) -> Graph:
    """What `resolve` makes of the model of a file from anybody.

    Raises:
        ModelError: also if its tensors would take more memory than frames explain: onnx makes room for it.
    """
    with _of_file(path):
        own = own_size(model)
    width, height = (fixed or wanted for fixed, wanted in zip(own, frame_size or ANY_SIZE, strict=True))
    check_limits(path, (1, height, width, 3), runs=False)
    with _of_file(path):
        return resolve(model, frame_size)


@contextmanager
def _of_file(path: Path) -> Iterator[None]:
    """Within it, errors name the file."""
    try:
        yield
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None


def own_size(model: Any) -> tuple[int | None, int | None]:
    """Width and height of the frames that a model takes; None for any.

    Raises:
        ModelError: it doesn't take frames.
    """
    inputs = _inputs(model)
    shape = list(inputs[0].type.tensor_type.shape.dim) if inputs else []
    if len(shape) != 4 or shape[3].dim_value != 3:
        raise ModelError(
            "its input is no frame; expected uint8[N,H,W,3]; export the model with `unit-edge export`"
        )
    height, width = (dim.dim_value or None for dim in shape[1:3])
    return width, height


def resolve(model: Any, frame_size: tuple[int, int] | None = None) -> Graph:
    """Works out every shape, with what the graph computes of the frame's own height and width.

    Args:
        model: onnx.ModelProto; it is copied, not changed.
        batch: frames in one call.
        frame_size: width and height in pixels; None for the model's own, or `ANY_SIZE`.

    Raises:
        ModelError: the model doesn't take frames of that size, or a shape can't be worked out.
    """
    own = own_size(model)
    width, height = (fixed or wanted for fixed, wanted in zip(own, frame_size or ANY_SIZE, strict=True))
    if frame_size is not None and (width, height) != frame_size:
        raise ModelError(
            f"takes frames of {width}x{height}, not {frame_size[0]}x{frame_size[1]}; leave the size out"
        )
    skeleton, known, weights = _skeleton(model, width, height)
    for _ in range(len(skeleton.graph.node) + 1):
        tensors = _infer(skeleton, (width, height))
        if not _fold(skeleton, known, tensors):
            break
    for node in skeleton.graph.node:
        for name in (*node.input, *node.output):
            if name and name not in tensors:
                raise ModelError(
                    f"the shape of {name!r} ({node.op_type}) can't be worked out at {width}x{height}"
                )
    return Graph(
        batch=skeleton.graph.input[0].type.tensor_type.shape.dim[0].dim_value,
        frame_size=(width, height),
        nodes=tuple(skeleton.graph.node),
        tensors=tensors,
        constants=frozenset({*weights, *known}),
        stored_bytes=sum(tensor.bytes for tensor in weights.values()),
        inputs=tuple(value.name for value in _inputs(model)),
        outputs=tuple(value.name for value in model.graph.output),
    )


def _inputs(model: Any) -> list[Any]:
    """The graph's inputs without those that only name weights, as old files have them."""
    stored = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in stored]


def _skeleton(model: Any, width: int, height: int) -> tuple[Any, dict[str, NDArray[Any]], dict[str, Tensor]]:
    """The model with a fixed frame and without large weights, which become inputs; its small integers;
    and all that it stores."""
    copy, known, weights = onnx.ModelProto(), {}, {}
    copy.ir_version = model.ir_version
    copy.opset_import.extend(model.opset_import)
    copy.functions.extend(model.functions)
    copy.graph.name = model.graph.name
    copy.graph.node.extend(model.graph.node)
    for value in _inputs(model):
        copy.graph.input.append(value)
        dims = copy.graph.input[-1].type.tensor_type.shape.dim
        for dim, size in zip(dims, (1, height, width), strict=False):
            if not dim.dim_value:
                dim.dim_value = size
    for value in model.graph.output:
        copy.graph.output.add(name=value.name).type.tensor_type.elem_type = value.type.tensor_type.elem_type
    for tensor in model.graph.initializer:
        weights[tensor.name] = Tensor(tensor.data_type, tuple(tensor.dims))
        if math.prod(tensor.dims) <= _SHAPE_ELEMENTS and tensor.data_location != TensorProto.EXTERNAL:
            copy.graph.initializer.append(tensor)
            known[tensor.name] = numpy_helper.to_array(tensor)
        else:
            copy.graph.input.append(
                onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            )
    return copy, known, weights


def _infer(model: Any, size: tuple[int, int]) -> dict[str, Tensor]:
    """The tensors whose type and shape onnx can tell."""
    try:
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    except Exception as error:
        raise ModelError(f"shapes don't fit at {size[0]}x{size[1]} ({one_line(error)})") from None
    tensors = {t.name: Tensor(t.data_type, tuple(t.dims)) for t in inferred.graph.initializer}
    for value in (*inferred.graph.input, *inferred.graph.value_info, *inferred.graph.output):
        kind = value.type.tensor_type
        if kind.HasField("shape") and all(dim.HasField("dim_value") for dim in kind.shape.dim):
            tensors[value.name] = Tensor(kind.elem_type, tuple(dim.dim_value for dim in kind.shape.dim))
    return tensors


def _fold(model: Any, known: dict[str, NDArray[Any]], tensors: dict[str, Tensor]) -> bool:
    """Replaces nodes that compute shapes by their values; whether there were any."""
    kept, folded = [], []
    for node in model.graph.node:
        values = _values(node, known, tensors)
        if values is None:
            kept.append(node)
            continue
        for name, value in zip(node.output, values, strict=True):
            known[name] = value
            folded.append(numpy_helper.from_array(value, name))
    del model.graph.node[:]
    model.graph.node.extend(kept)
    model.graph.initializer.extend(folded)
    return bool(folded)


def _values(
    node: Any, known: dict[str, NDArray[Any]], tensors: dict[str, Tensor]
) -> list[NDArray[Any]] | None:
    """What a node computes, if it is a shape or made of known integers."""
    if node.op_type == "Shape":
        if node.input[0] not in tensors:
            return None
        bounds = {a.name: a.i for a in node.attribute}
        shape = tensors[node.input[0]].shape[bounds.get("start", 0) : bounds.get("end")]
        return [np.array(shape, np.int64)]
    given = [name for name in node.input if name]
    if node.op_type not in _OF_SHAPES or not (given or node.op_type == "Constant"):
        return None
    if any(name not in known for name in given):
        return None
    try:
        values = ReferenceEvaluator(node).run(None, {name: known[name] for name in given})
    except Exception:  # an operation that onnx's own evaluator lacks computes no shape
        return None
    arrays = [np.asarray(value) for value in values]
    return arrays if all(array.size <= _SHAPE_ELEMENTS for array in arrays) else None
