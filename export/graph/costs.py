"""Counts what a graph takes: multiply-accumulates, parameters, memory and memory traffic. Needs onnx.

Of operations only those that the time goes into are counted: convolutions, transposed ones, and matrix
products. Resizing, pointwise operations and pools cost memory traffic, which is counted for all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onnx import TensorProto

from unit_edge.export.graph.graph import (
    ONNX_PACKAGE,
    Graph,
    Tensor,
    load_onnx,
    own_size,
    resolve,
    resolve_file,
)
from unit_edge.files.onnx_file import loaded_by
from unit_edge.manifests.costs import Costs, CostsAt

SIZES = ((640, 480), (1280, 720), (1920, 1080))
"""Widths and heights that a manifest has costs for, if the model takes any size."""

_LAYERS = ("Conv", "ConvTranspose", "MatMul", "Gemm")

_POINTWISE = {
    "Abs", "Add", "And", "BatchNormalization", "Cast", "Ceil", "Clip", "Concat", "DequantizeLinear",
    "Div", "Dropout", "Elu", "Equal", "Erf", "Exp", "Floor", "Greater", "HardSigmoid", "HardSwish",
    "Identity", "LeakyRelu", "Less", "Log", "Max", "Min", "Mul", "Neg", "Not", "PRelu", "Pow",
    "QuantizeLinear", "Reciprocal", "Relu", "Reshape", "Round", "Selu", "Sigmoid", "Sign", "Softplus",
    "Split", "Sqrt", "Squeeze", "Sub", "Tanh", "Transpose", "Unsqueeze", "Where",
}  # fmt: skip
"""Operations that backends merge into what feeds them, or do without."""

_PRECISIONS: dict[int, str] = {
    TensorProto.FLOAT: "fp32",
    TensorProto.FLOAT16: "fp16",
    TensorProto.BFLOAT16: "bf16",
}


@dataclass(frozen=True)
class Layer:
    """One convolution or matrix product.

    Attributes:
        name: of its weights, or of the node where there are none.
        operator: "Conv".
        precision: "fp32", "fp16", or "int8" if its weights are stored as that.
        macs: multiply-accumulates for one frame.
        parameters: weights and biases.
        output: shape of what it returns.
    """

    name: str
    operator: str
    precision: str
    macs: int
    parameters: int
    output: tuple[int, ...]


def count_costs(model: Any) -> Costs:
    """What an onnx.ModelProto takes: at its own frame size, or at `SIZES` if it takes any.

    Raises:
        ModelError: it doesn't take frames, or a shape can't be worked out.
    """
    own = own_size(model)
    sizes = [(own[0] or width, own[1] or height) for width, height in SIZES]
    graphs = [resolve(model, size) for size in dict.fromkeys(sizes)]
    parameters = sum(layer.parameters for layer in layers(graphs[0]))
    return Costs(parameters, graphs[0].stored_bytes, tuple(costs_at(graph) for graph in graphs))


def costs_of_file(path: Path, frame_size: tuple[int, int]) -> CostsAt:
    """What the model of an ONNX file from anybody takes for a frame of that size.

    Raises:
        ModelError: it can't be read, would take too much memory, or doesn't take such frames.
    """
    model = load_onnx(path)
    with loaded_by(ONNX_PACKAGE, path):
        return costs_at(resolve_file(path, model, frame_size))


def costs_at(graph: Graph) -> CostsAt:
    """What a graph takes for one frame."""
    macs = sum(layer.macs for layer in layers(graph))
    return CostsAt(
        frame_size=graph.frame_size,
        macs=macs,
        traffic_bytes=traffic_bytes(graph) // graph.batch,
        activations_bytes=activations_bytes(graph),
    )


def layers(graph: Graph) -> list[Layer]:
    """The graph's convolutions and matrix products, in order."""
    makers = {name: node for node in graph.nodes for name in node.output}
    return [_layer(graph, node, makers) for node in graph.nodes if node.op_type in _LAYERS]


def _layer(graph: Graph, node: Any, makers: dict[str, Any]) -> Layer:
    operands = [_origin(name, makers) for name in node.input[1:] if name]
    constant = [name for name in operands if name in graph.constants]
    dtype = graph.tensors[operands[0]].dtype
    output = graph.tensors[node.output[0]]
    return Layer(
        name=constant[0] if constant else node.name or node.output[0],
        operator=node.op_type,
        precision="int8" if dtype == TensorProto.INT8 else _PRECISIONS.get(dtype, "other"),
        macs=_macs(node, graph.tensors[node.input[0]], graph.tensors[node.input[1]], output) // graph.batch,
        parameters=sum(graph.tensors[name].elements for name in constant),
        output=output.shape,
    )


def _origin(name: str, makers: dict[str, Any]) -> str:
    """The stored tensor behind one that is converted on the way: int8 weights behind a DequantizeLinear."""
    while name in makers and makers[name].op_type in ("DequantizeLinear", "Cast", "Identity"):
        name = makers[name].input[0]
    return name


def _macs(node: Any, data: Tensor, weight: Tensor, output: Tensor) -> int:
    if (
        node.op_type == "Conv"
    ):  # weights [out, in / groups, *kernel]: each output value is a sum over one of them
        return output.elements * math.prod(weight.shape[1:])
    if (
        node.op_type == "ConvTranspose"
    ):  # weights [in, out / groups, *kernel]: each input value is spread by one
        return data.elements * math.prod(weight.shape[1:])
    transposed = any(a.name == "transA" and a.i for a in node.attribute)
    return output.elements * data.shape[0 if transposed else -1]


def traffic_bytes(graph: Graph) -> int:
    """Bytes read and written for a call if pointwise operations are merged into what feeds them.

    An operation that is merged with its last producer reads the outputs of others from memory; a group
    writes what others, or the user, read of it. Weights are read once.
    """
    group_of: dict[str, int] = {}
    read: set[tuple[int, str]] = set()
    for index, node in enumerate(graph.nodes):
        producers = [group_of[name] for name in node.input if name in group_of]
        group = max(producers) if node.op_type in _POINTWISE and producers else index
        read |= {(group, name) for name in node.input if name and group_of.get(name) != group}
        group_of.update(dict.fromkeys(node.output, group))
    sizes = _stored_sizes(graph)
    written = {name for _, name in read if name in group_of} | set(graph.outputs)
    return sum(sizes[name] for _, name in read) + sum(sizes[name] for name in written)


def activations_bytes(graph: Graph) -> int:
    """Most bytes of activations that live at once, if every operation returns a new tensor."""
    sizes = _stored_sizes(graph)
    last_use = {name: index for index, node in enumerate(graph.nodes) for name in node.input}
    last_use.update(dict.fromkeys(graph.outputs, len(graph.nodes)))
    live = sum(sizes[name] for name in graph.inputs)
    peak = live
    for index, node in enumerate(graph.nodes):
        live += sum(sizes[name] for name in node.output if name)
        peak = max(peak, live)
        used = {name for name in (*node.input, *node.output) if name and name not in graph.constants}
        live -= sum(sizes[name] for name in used if last_use.get(name, index) == index)
    return peak


def _stored_sizes(graph: Graph) -> dict[str, int]:
    """Bytes of each tensor; what DequantizeLinear returns stays in memory as what it was given."""
    sizes = {name: tensor.bytes for name, tensor in graph.tensors.items()}
    for node in graph.nodes:
        if node.op_type == "DequantizeLinear":
            sizes[node.output[0]] = sizes[node.input[0]]
    return sizes
