"""TensorRT before 10.12, whose strongly typed networks lack operations: flags say what may be fp16 or int8.

The builder of a weakly typed network is free in what it computes in half precision. What the graph has in
fp32, normalisations and the guided head, is held there: fp16 breaks both.
"""

from __future__ import annotations

from typing import Any

STRONG_FROM = (10, 12)

_COMPUTING = (
    "ACTIVATION", "CONVOLUTION", "DECONVOLUTION", "ELEMENTWISE", "NORMALIZATION", "POOLING", "REDUCE",
    "RESIZE", "SCALE", "UNARY",
)  # fmt: skip


def is_strong(version: str) -> bool:
    """Whether strong typing is complete in a version of TensorRT, "10.3.0"."""
    major, minor = (int(part) for part in version.split(".")[:2])
    return (major, minor) >= STRONG_FROM


def allow_precisions(trt: Any, network: Any, config: Any, precision: str) -> None:
    """Sets the flags of "fp32", "fp16" or "int8" on a weakly typed network's config, and its limits."""
    if precision == "fp32":
        return
    config.set_flag(trt.BuilderFlag.FP16)
    if precision == "int8":
        config.set_flag(trt.BuilderFlag.INT8)
    config.set_flag(trt.BuilderFlag.OBEY_PRECISION_CONSTRAINTS)
    for layer in layers_in_fp32(trt, network):
        layer.precision = trt.DataType.FLOAT
        layer.set_output_type(0, trt.DataType.FLOAT)


def layers_in_fp32(trt: Any, network: Any) -> list[Any]:
    """The layers that the graph has in fp32, found by following its casts: weakly typed tensors don't say."""
    types = {network.get_input(i).name: network.get_input(i).dtype for i in range(network.num_inputs)}
    kinds = {getattr(trt.LayerType, name) for name in _COMPUTING}
    found = []
    for index in range(network.num_layers):
        layer = network.get_layer(index)
        output = layer.get_output(0)
        given = layer.get_input(0)
        result = output.dtype if given is None else types[given.name]
        if layer.type == trt.LayerType.CAST:
            cast = layer
            cast.__class__ = trt.ICastLayer
            result = cast.to_type
        elif layer.type == trt.LayerType.DEQUANTIZE:
            result = types[layer.get_input(1).name]  # of the scale
        for place in range(layer.num_outputs):
            types[layer.get_output(place).name] = result
        if layer.type in kinds and result == trt.DataType.FLOAT:
            found.append(layer)
    return found
