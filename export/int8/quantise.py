"""int8 versions of a graph: E's and G's convolutions between QuantizeLinear and DequantizeLinear.

Two variants, as no file suits both: TensorRT takes symmetric int8 and no int32 biases; CPUs run
asymmetric uint8 activations with quantised biases fastest. ONNX Runtime's quantiser makes both.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from unit_edge.errors import ConfigError
from unit_edge.export.graph.cut import SMALL
from unit_edge.runtime.batch import in_batches, stacked

VARIANTS = ("cpu", "tensorrt")

_LAYERS = ("Conv", "ConvTranspose")
_SYMMETRIC = {
    "ActivationSymmetric": True,
    "WeightSymmetric": True,
    "QuantizeBias": False,
    "OpTypesToExcludeOutputQuantization": list(_LAYERS),
    "QDQOpTypePerChannelSupportToAxis": {"Conv": 0, "ConvTranspose": 1},
}


def learned_nodes(model: Any) -> dict[str, Any]:
    """E's and G's convolutions in order: their names, as `unit-edge inspect` has them, and their nodes."""
    stored = {
        node.output[0]: node.input[0] for node in model.graph.node if node.op_type == "DequantizeLinear"
    }
    found = {}
    for node in model.graph.node:
        if node.op_type in _LAYERS:
            weight = stored.get(node.input[1], node.input[1]).removesuffix("_quantized")
            if weight.startswith(("encoder.", "generator.")):
                found[weight.removesuffix(".weight")] = node
    return found


def chosen(layers: Collection[str], skip: Iterable[str]) -> list[str]:
    """The layers that are left to quantise; a name in `skip` stands for all layers that it begins.

    Raises:
        ConfigError: there is no such layer, or none is left.
    """
    left = list(layers)
    for name in skip:
        stem = name.removesuffix(".weight")
        hit = [layer for layer in layers if layer == stem or layer.startswith(f"{stem}.")]
        if not hit:
            raise ConfigError(f"int8-skip {name!r}: no such layer; expected some of {', '.join(layers)}")
        left = [layer for layer in left if layer not in hit]
    if not left:
        raise ConfigError("int8-skip names every layer; export as fp16 or fp32 then")
    return left


def quantise(
    content: bytes, layers: Collection[str], frames: Iterable[NDArray[np.uint8]], variant: str
) -> bytes:
    """Puts layers of a model into int8.

    Args:
        content: an ONNX file's, in fp32 or fp16.
        layers: names, of `learned_nodes`.
        frames: uint8[H,W,3], BGR, on which the activations' ranges are measured.
        variant: one of `VARIANTS`.

    Returns:
        the content of the int8 file; weights have a scale a channel, activations one a tensor.
    """
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._batches = in_batches(frames, size, lambda frame: frame)

        def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
            batch = next(self._batches, None)
            return None if batch is None else {"frame": stacked(batch, size)}

    model = onnx.load_model_from_string(content)
    nodes = learned_nodes(model)
    size = model.graph.input[0].type.tensor_type.shape.dim[0].dim_value
    symmetric = variant == "tensorrt"
    with tempfile.TemporaryDirectory(prefix="unit-edge-int8-") as folder, _quiet():
        path = Path(folder) / "model.onnx"
        quantize_static(
            model,
            path,
            Reader(),
            per_channel=True,
            # without it CPUs that lack VNNI overflow: a seventh bit of the weights costs 0.2 dB
            reduce_range=not symmetric,
            activation_type=QuantType.QInt8 if symmetric else QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_quantize=[nodes[layer].name for layer in layers],
            extra_options=_SYMMETRIC if symmetric else {},
        )
        made = onnx.load(path)
    _spare_the_head(made)
    made.producer_name, made.producer_version = model.producer_name, model.producer_version
    del made.metadata_props[:]
    made.metadata_props.extend(model.metadata_props)
    onnx.checker.check_model(made, full_check=True)
    result: bytes = made.SerializeToString(deterministic=True)
    return result


def _spare_the_head(model: Any) -> None:
    """Gives the guided head the shrunk frame itself, not what E's first convolution sees of it in int8."""
    makers = {name: node for node in model.graph.node for name in node.output}
    learned = {id(node) for node in learned_nodes(model).values()}
    for node in model.graph.node:
        if id(node) in learned:
            continue
        for place, name in enumerate(node.input):
            stored = makers.get(name)
            if stored is None or stored.op_type != "DequantizeLinear":
                continue
            rounded = makers.get(stored.input[0])
            if rounded is not None and rounded.input[0] == SMALL:
                node.input[place] = SMALL


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the quantiser's advice, which it logs on the root logger, from the user."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)


@dataclass(frozen=True)
class Quantised:
    """An int8 file that was made.

    Attributes:
        content: of the file.
        left: layers that were left in float because of the damage that they do.
        damage: PSNR in dB with one layer alone in int8, the worst first; empty if the first try was close
            enough.
        moved: what `Moved.by` says of it; None if that was not asked.
    """

    content: bytes
    left: tuple[str, ...]
    damage: dict[str, float]
    moved: float | None = None
