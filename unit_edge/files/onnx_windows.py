"""The shapes of what ONNX's operators on pictures make: convolutions, pooling, edges, new sizes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from unit_edge.files.onnx_graph import Node
from unit_edge.files.onnx_tensor import Tensor, listed, second, unknown
from unit_edge.files.protobuf import Refused

_FAR = 2**24
"""More than any picture's side: OpenVINO crashes on edges near 2^63 that take each other away again."""


def _near(values: Sequence[int]) -> Sequence[int]:
    """What a window or edge is told in pixels, if it could be; ValueError if not."""
    if any(abs(value) > _FAR for value in values):
        raise ValueError
    return values


def _window(node: Node, sides: Sequence[int], kernel: Sequence[int]) -> list[int]:
    """The sides of what a window that slides over others makes."""
    ones = [1] * len(sides)
    strides, dilations = _near(node.integers("strides") or ones), _near(node.integers("dilations") or ones)
    pads = _near(node.integers("pads") or [0] * 2 * len(sides))
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


def conv(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    weights = second(given)
    if first.shape[1] != weights.shape[1] * node.integer("group", 1):
        raise ValueError
    sides = _window(node, first.shape[2:], weights.shape[2:])
    return [unknown((first.shape[0], weights.shape[0], *sides), first.dtype)]


def pool(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    sides = _window(node, first.shape[2:], node.integers("kernel_shape") or ())
    shape = (*first.shape[:2], *sides)
    return [unknown(shape, first.dtype), unknown(shape, np.int64)][: max(1, len(node.outputs))]


def conv_transpose(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    weights = second(given)
    if first.shape[1] != weights.shape[0]:
        raise ValueError
    sides, kernel = first.shape[2:], weights.shape[2:]
    ones = [1] * len(sides)
    strides, dilations = _near(node.integers("strides") or ones), _near(node.integers("dilations") or ones)
    pads = _near(node.integers("pads") or [0] * 2 * len(sides))
    more = _near(node.integers("output_padding") or [0] * len(sides))
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
    return [unknown((first.shape[0], weights.shape[1] * node.integer("group", 1), *made), first.dtype)]


def pad(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
    pads = _near(listed(node, given, 1, "pads") or [])
    axes = listed(node, given, 3, "axes") or list(range(len(first.shape)))
    shape = [*first.shape]
    for at, axis in enumerate(axes):
        shape[axis] += pads[at] + pads[at + len(axes)]
    return [unknown(shape, first.dtype)]


def resize(node: Node, first: Tensor, given: list[Tensor | None]) -> list[Tensor]:
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
    return [unknown(shape, first.dtype)]
