"""E and G as OpenVINO runs them fastest: the same sums, in another arrangement."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unit_edge.runtime.backends.openvino.module import load_openvino

ov = load_openvino()
_END = "Tanh", "Add", "Convolution", "DepthToSpace"
"""G's, the last operation first."""
_WOVEN = {"block_size": 2, "mode": "blocks_first"}


def with_pixels_last(model: Any) -> Any:
    """A model of float[N,h,w,C], in which order OpenVINO computes, for one of float[N,C,h,w]."""
    around = ov.preprocess.PrePostProcessor(model)
    for port in (around.input(), around.output()):
        port.model().set_layout(ov.Layout("NCHW"))
        port.tensor().set_layout(ov.Layout("NHWC"))
    return around.build()


def weave_last(model: Any) -> None:
    """Has G's last layer see what DepthToSpace would weave, and weaves what it gives.

    Its 3 channels of 24 leave most of a vector empty; as 12 of 96 at half the size they fill it, and 24
    channels aren't woven. In bf16 this takes 5 % off E and G where that layer is 3 pixels wide, more where
    7; in fp32 it gains nothing, and loses with vectors of 8 floats.
    """
    of = ov.opset13
    for squashed in model.get_ops():
        chain = [squashed]
        while len(chain) < len(_END) and chain[-1].get_input_size():
            chain.append(chain[-1].input_value(0).get_node())
        if tuple(node.get_type_name() for node in chain) != _END:
            continue
        _, summed, layer, woven = chain
        bias = summed.input_value(1)
        weight, radius = layer.input_value(1).get_node(), layer.get_attributes()["pads_begin"][0]
        if weight.get_type_name() != "Constant" or layer.get_attributes() != _plain(radius):
            continue
        values = weight.get_data()
        if values.shape[2:] != (2 * radius + 1,) * 2 or woven.get_attributes() != _WOVEN:
            continue
        if bias.get_partial_shape() != ov.PartialShape([1, len(values), 1, 1]):
            continue
        pads = [(radius + 1) // 2] * 2
        phases = of.convolution(woven.input_value(0), of_phases(values), [1, 1], pads, pads, [1, 1])
        levels = of.tanh(of.add(phases, of.concat([bias] * 4, 1)))
        for user in squashed.output(0).get_target_inputs():
            user.replace_source_output(of.depth_to_space(levels, "blocks_first", 2).output(0))


def _plain(radius: int) -> dict[str, Any]:
    """Attributes of a convolution that keeps the size, without gaps."""
    return {
        "strides": [1, 1],
        "dilations": [1, 1],
        "pads_begin": [radius, radius],
        "pads_end": [radius, radius],
        "auto_pad": "explicit",
    }


def of_phases(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Weights of a convolution for the four phases of what it sees, with as few places as that takes.

    Args:
        weight: float[O,I,k,k], k odd.

    Returns:
        float[4*O,4*I,m,m]. Phase 2*y+x has the pixels with row y and column x of each 2x2; channels are those
        of one phase after the other.
    """
    out, taken, width, _ = weight.shape
    radius = width // 2
    reach = (radius + 1) // 2
    spread = np.zeros((2, 2, out, 2, 2, taken, 2 * reach + 1, 2 * reach + 1), np.float32)
    for y, x, down, right in np.ndindex(2, 2, width, width):
        (row, of_row), (column, of_column) = divmod(y + down - radius, 2), divmod(x + right - radius, 2)
        spread[y, x, :, of_row, of_column, :, row + reach, column + reach] = weight[:, :, down, right]
    return spread.reshape(4 * out, 4 * taken, *spread.shape[-2:])
