"""Which layers a weakly typed TensorRT must hold in fp32: those that a strongly typed one computes so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import pytest

from unit_edge.export.scenes import synthetic_scene
from unit_edge.export.to_onnx import Int8, export_run
from unit_edge.export.weak_typing import _COMPUTING, is_strong, layers_in_fp32
from unit_edge.runtime.backends.tensorrt.module import make_logger

trt = pytest.importorskip("tensorrt_rtx", reason="the dev extra installs TensorRT-RTX on Linux x86_64 only")


@pytest.mark.parametrize("precision", ["fp16", "int8"])
@pytest.mark.parametrize("preset", ["released", "edge-s"])
def test_casts_tell_the_types(
    preset: str, precision: str, write_run: Callable[..., Path], tmp_path: Path
) -> None:
    scene = tmp_path / "scene.png"
    cv2.imwrite(str(scene), synthetic_scene(96, 96, 1.0, 0))
    int8 = Int8(scene, "tensorrt", allow_low_quality=True) if precision == "int8" else None
    run = write_run(tmp_path / "run", preset)
    model = export_run(run, "night", output=tmp_path, precision=precision, int8=int8).model
    logger = make_logger(trt)
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    assert parser.parse(model.read_bytes())
    kinds = {getattr(trt.LayerType, name) for name in _COMPUTING}
    computing = [network.get_layer(i) for i in range(network.num_layers)]
    computing = [layer for layer in computing if layer.type in kinds]
    truth = {layer.name for layer in computing if layer.get_output(0).dtype == trt.DataType.FLOAT}
    half = {layer.name for layer in computing if layer.get_output(0).dtype == trt.DataType.HALF}
    found = {layer.name for layer in layers_in_fp32(trt, network)}
    assert found == truth
    assert half and truth and not found & half
    if preset == "released":
        assert any(layer.type == trt.LayerType.NORMALIZATION for layer in layers_in_fp32(trt, network))


def test_which_versions_are_strong() -> None:
    assert not is_strong("8.6.1") and not is_strong("10.3.0.26") and not is_strong("10.11.0.33")
    assert is_strong("10.12.0.36") and is_strong("10.13.3.9") and is_strong("11.4.0.106")
