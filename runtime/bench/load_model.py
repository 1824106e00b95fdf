"""A model of known arithmetic that keeps a backend busy: what the peak of this machine is measured by.

It takes and gives frames like any other model, so that it runs through the same backend with the same
settings. The file is written without the onnx package, which boards don't have, with the field numbers of
onnx.proto3.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unit_edge.errors import ConfigError
from unit_edge.files.protobuf import block, number, text
from unit_edge.manifests.model import Manifest, TensorSpec, sha256_of

PRECISIONS = ("fp32", "fp16", "int8")
_IR_VERSION, _OPSET = 9, 19
_INT, _INTS = 2, 7  # AttributeProto.type
_DTYPES = {"float32": 1, "uint8": 2, "int8": 3, "float16": 10}  # TensorProto.DataType


@dataclass(frozen=True)
class Load:
    """What the model does in a call.

    Attributes:
        kernel: 1 for matrix products (pixels x channels x channels), 3 for convolutions of 3x3.
        layers: of them, each followed by a ReLU.
        channels: that go into each and come out of it.
        side: width and height of the frame in pixels; whole layers are computed at that size.
    """

    kernel: int
    layers: int
    channels: int
    side: int

    @property
    def operations(self) -> int:
        """Multiplications and additions of a call; those between 3 channels and many are counted too."""
        inner = self.layers * self.channels**2 * self.kernel**2
        return 2 * self.side**2 * (inner + 2 * 3 * self.channels)


def write_load(path: Path, precision: str, load: Load, *, signed: bool = False) -> Manifest:
    """Writes a model of a precision of `PRECISIONS` and its manifest.

    int8 is written as backends expect it: convolutions between QuantizeLinear and DequantizeLinear nodes, the
    activations uint8 as CPUs want them, or `signed` as TensorRT does. The two layers that the frame enters
    and leaves by are in floats then.

    Raises:
        ConfigError: another precision.
    """
    if precision not in PRECISIONS:
        raise ConfigError(f"precision {precision!r}; expected one of {', '.join(PRECISIONS)}")
    graph = _Graph(np.float16 if precision == "fp16" else np.float32)
    x = graph.node("Cast", ["frame"], to=_DTYPES[graph.dtype.name])
    x = graph.node("Transpose", [x], perm=[0, 3, 1, 2])
    x = graph.node("Mul", [x, graph.constant(np.asarray(1 / 128, graph.dtype))])
    x = graph.convolution(x, 3, load.channels, 1)
    for _ in range(load.layers):
        if precision == "int8":
            x = graph.quantised(x, np.int8 if signed else np.uint8)
            x = graph.convolution(x, load.channels, load.channels, load.kernel, int8=True)
        else:
            x = graph.convolution(x, load.channels, load.channels, load.kernel)
        x = graph.node("Relu", [x])
    x = graph.convolution(x, load.channels, 3, 1)
    limits = [graph.constant(np.asarray(value, graph.dtype)) for value in (0, 255)]
    x = graph.node("Clip", [x, *limits])
    x = graph.node("Transpose", [x], perm=[0, 2, 3, 1])
    graph.node("Cast", [x], to=_DTYPES["uint8"], output="translated")
    shape = (1, load.side, load.side, 3)
    path.write_bytes(graph.model(shape))
    kind = "matrix products" if load.kernel == 1 else "convolutions"
    manifest = Manifest(
        name=path.stem,
        source="frame",
        target=kind,
        preset="load",
        precision=precision,
        input=TensorSpec("frame", "uint8", shape),
        output=TensorSpec("translated", "uint8", shape),
        network_short_side=load.side,
        network_size=None,
        detail="none",
        sha256=sha256_of(path),
    )
    manifest.write(path.with_suffix(".json"))
    return manifest


class _Graph:
    """Nodes and constants in serialised form, as they are added."""

    def __init__(self, dtype: type[np.floating]) -> None:
        self.dtype = np.dtype(dtype)
        self._nodes: list[bytes] = []
        self._constants: list[bytes] = []
        self._random = np.random.default_rng(0)
        self._count = 0

    def constant(self, value: NDArray[np.generic]) -> str:
        name = f"c{len(self._constants)}"
        fields = [number(1, size) for size in value.shape] + [number(2, _DTYPES[value.dtype.name])]
        self._constants.append(b"".join([*fields, text(8, name), block(9, value.tobytes())]))
        return name

    def node(self, operator: str, inputs: list[str], output: str = "", **attributes: int | list[int]) -> str:
        self._count += 1
        output = output or f"x{self._count}"
        fields = [*(text(1, name) for name in inputs), text(2, output), text(4, operator)]
        fields += [block(5, _attribute(name, value)) for name, value in attributes.items()]
        self._nodes.append(b"".join(fields))
        return output

    def convolution(self, x: str, wide: int, out: int, kernel: int, *, int8: bool = False) -> str:
        # of variance 2 / inputs, which keeps the size of what passes a ReLU: no denormals, no infinities
        values = self._random.standard_normal((out, wide, kernel, kernel)) * (2 / (wide * kernel**2)) ** 0.5
        if int8:
            scale = float(np.abs(values).max()) / 63  # seven bits: CPUs without VNNI overflow with eight
            weights = self.constant(np.round(values / scale).astype(np.int8))
            weights = self._dequantised(weights, scale, np.int8(0))
        else:
            weights = self.constant(values.astype(self.dtype))
        around = kernel // 2
        return self.node("Conv", [x, weights], kernel_shape=[kernel, kernel], pads=[around] * 4)

    def quantised(self, x: str, dtype: type[np.integer]) -> str:
        """Through 8 bits with a scale that fits values of about 1, and back."""
        scale = self.constant(np.asarray(4 / np.iinfo(dtype).max, self.dtype))
        zero = self.constant(np.asarray(0, dtype))
        return self.node("DequantizeLinear", [self.node("QuantizeLinear", [x, scale, zero]), scale, zero])

    def _dequantised(self, name: str, scale: float, zero: np.int8) -> str:
        constants = [self.constant(np.asarray(scale, self.dtype)), self.constant(np.asarray(zero))]
        return self.node("DequantizeLinear", [name, *constants])

    def model(self, shape: tuple[int, ...]) -> bytes:
        graph = [block(1, node) for node in self._nodes] + [text(2, "load")]
        graph += [block(5, constant) for constant in self._constants]
        graph += [block(11, _value("frame", shape)), block(12, _value("translated", shape))]
        opset = block(8, text(1, "") + number(2, _OPSET))
        return number(1, _IR_VERSION) + text(2, "unit-edge") + block(7, b"".join(graph)) + opset


def _attribute(name: str, value: int | list[int]) -> bytes:
    if isinstance(value, int):
        return text(1, name) + number(3, value) + number(20, _INT)
    return text(1, name) + b"".join(number(8, item) for item in value) + number(20, _INTS)


def _value(name: str, shape: tuple[int, ...]) -> bytes:
    dimensions = b"".join(block(1, number(1, size)) for size in shape)
    tensor = number(1, _DTYPES["uint8"]) + block(2, dimensions)
    return text(1, name) + block(2, block(1, tensor))
