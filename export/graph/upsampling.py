"""Nearest upsampling by 2 and a 3x3 convolution as four 2x2 convolutions of the small image: the same sums.

Each of the four pixels that a small one becomes sees 2x2 small pixels only, so weights that meet the same
pixel are added up beforehand: 16 products where there were 36.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

_PHASES = ((0, 0), (0, 1), (1, 0), (1, 1))


def with_small_upsampling(content: bytes) -> bytes:
    """A graph without convolutions of enlarged images, as far as these have the form of our generators.

    Args:
        content: an ONNX file's. Its convolutions NAME.weight become NAME.phaseYX.weight.

    Returns:
        the content of a file that computes the same up to rounding.
    """
    model = onnx.load_model_from_string(content)
    graph = model.graph
    nodes = list[Any]()
    taken = set[str]()
    for node in graph.node:
        if node.output[0] in taken:
            continue
        following = _following(graph, node)
        if following is None:
            nodes.append(node)
            continue
        convolution, activation = following
        taken |= {convolution.output[0], activation.output[0]}
        nodes += _phases(graph, node.input[0], convolution, activation)
    if not taken:
        return content
    del graph.node[:]
    graph.node.extend(nodes)
    used = {name for node in nodes for name in node.input}
    stored = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(stored)
    del graph.value_info[:]  # shapes of what is gone
    onnx.checker.check_model(model, full_check=True)
    made: bytes = model.SerializeToString(deterministic=True)
    return made


def _following(graph: Any, node: Any) -> tuple[Any, Any] | None:
    """The convolution and the LeakyRelu behind a nearest upsampling by 2; None if it is something else."""
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    if node.op_type != "Resize" or attributes.get("mode") != b"nearest" or len(node.input) != 3:
        return None
    stored = {tensor.name: tensor for tensor in graph.initializer}
    scales = stored.get(node.input[2])
    if scales is None or numpy_helper.to_array(scales).tolist() != [1, 1, 2, 2]:
        return None
    convolution = _only(graph, node.output[0], "Conv")
    activation = None if convolution is None else _only(graph, convolution.output[0], "LeakyRelu")
    if convolution is None or activation is None or len(convolution.input) != 3:
        return None
    weight = stored.get(convolution.input[1])
    plain = {"pads": [1] * 4, "strides": [1, 1], "dilations": [1, 1], "group": 1, "kernel_shape": [3, 3]}
    found = {a.name: helper.get_attribute_value(a) for a in convolution.attribute}
    if weight is None or any(found.get(name, value) != value for name, value in plain.items()):
        return None
    return convolution, activation


def _only(graph: Any, name: str, operator: str) -> Any:
    """The one node that takes a tensor, if it is of a kind."""
    users = [node for node in graph.node if name in node.input]
    return users[0] if len(users) == 1 and users[0].op_type == operator else None


def _phases(graph: Any, small: str, convolution: Any, activation: Any) -> list[Any]:
    name = convolution.input[1].removesuffix(".weight")
    weight = next(t for t in graph.initializer if t.name == convolution.input[1])
    values, alpha = numpy_helper.to_array(weight), activation.attribute[0].f
    nodes, outputs = [], []
    for down, right in _PHASES:
        layer = f"{name}.phase{down}{right}"
        summed = _summed(_summed(values, 2, down), 3, right).astype(values.dtype)
        graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(summed), f"{layer}.weight"))
        nodes += [
            helper.make_node(
                "Conv",
                [small, f"{layer}.weight", convolution.input[2]],
                [f"{layer}.sum"],
                layer,
                kernel_shape=[2, 2],
                pads=[1 - down, 1 - right, down, right],
            ),
            helper.make_node("LeakyRelu", [f"{layer}.sum"], [layer], f"{layer}.leaky", alpha=alpha),
        ]
        outputs.append(layer)
    nodes += [
        helper.make_node("Concat", outputs, [f"{name}.phases"], f"{name}.phases", axis=1),
        helper.make_node(
            "DepthToSpace",
            [f"{name}.phases"],
            [activation.output[0]],
            f"{name}.woven",
            blocksize=2,
            mode="DCR",
        ),
    ]
    return nodes


def _summed(weight: NDArray[Any], axis: int, phase: int) -> NDArray[Any]:
    """Three taps on an enlarged image as two on the small one; the even pixels are phase 0."""
    first, second, third = np.split(weight.astype(np.float64), 3, axis)
    pair = (first, second + third) if phase == 0 else (first + second, third)
    return np.concatenate(pair, axis)
