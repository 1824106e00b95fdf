"""int8 files: which layers are int8, for whom, on what they were calibrated, and when they are refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from typer.testing import CliRunner

from unit_edge.cli.app import app
from unit_edge.errors import ConfigError, DataError, SourceError, VerifyError
from unit_edge.export import verify
from unit_edge.export.int8.calibrate import CalibrationFrames
from unit_edge.export.int8.moved import MOST
from unit_edge.export.int8.quantise import chosen, learned_nodes
from unit_edge.export.scenes import synthetic_scene
from unit_edge.export.to_onnx import Exported, Int8, export_run
from unit_edge.manifests.model import Manifest, sha256_of
from unit_edge.train.run.checkpoint import load_run_config, load_weights, save_weights

OTHERS = ("encoder.1.0", "generator")
"""What need not be tried alone where some layers shall be."""


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of ten pictures."""
    folder = tmp_path_factory.mktemp("scenes")
    for number in range(10):
        scene = synthetic_scene(160, 96, 1 - 0.07 * number, number)
        assert cv2.imwrite(str(folder / f"{number}.png"), scene)
    return folder


@pytest.fixture(scope="session", params=["cpu", "tensorrt"])
def quantised(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, run: Path, scenes: Path
) -> Exported:
    """The edge-s run's day to night in int8, but for the first layer."""
    int8 = Int8(scenes, request.param, skip=("encoder.0.0",))
    return export_run(run, "night", output=tmp_path_factory.mktemp("int8"), precision="int8", int8=int8)


def test_frames_stay_close(quantised: Exported, run: Path, scenes: Path) -> None:
    assert quantised.report.psnr_db >= 40
    assert quantised.report.frames == 8
    again = verify.verify_file(quantised.model, run, scenes)
    assert again.psnr_db == pytest.approx(quantised.report.psnr_db, abs=0.05)  # sums differ with threads


def test_what_the_manifest_says(quantised: Exported, scenes: Path) -> None:
    manifest = Manifest.read(quantised.model.with_suffix(".json"))
    assert manifest == quantised.manifest
    manifest = dataclasses.replace(manifest, int8={**manifest.int8})
    assert manifest.precision == "int8" and manifest.sha256 == sha256_of(quantised.model)
    variant = manifest.int8["for"]
    name = "day2night-tiny-int8" + ("-tensorrt" if variant == "tensorrt" else "")
    assert quantised.model.name == f"{name}.onnx"
    moved = manifest.int8.pop("moved")
    assert moved is None or 0 < moved <= MOST
    assert manifest.int8 == {
        "for": variant,
        "calibrated_on": scenes.name,
        "frames": 10,
        "in_float": ["encoder.0.0"],
        "psnr_db_alone": {},
    }


def test_which_layers_are_int8(quantised: Exported, run: Path) -> None:
    """Each but the skipped one multiplies what two DequantizeLinear give; the head is not touched."""
    graph = onnx.load(quantised.model).graph
    symmetric = quantised.manifest.int8["for"] == "tensorrt"
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    makers = {name: node for node in graph.node for name in node.output}
    own = load_weights(run, load_run_config(run)).state_dict()
    names = []
    for node in graph.node:
        if node.op_type not in ("Conv", "ConvTranspose"):
            continue
        source = makers.get(node.input[1])
        if source is None:
            continue
        data, weight = makers[node.input[0]], source
        assert (data.op_type, weight.op_type) == ("DequantizeLinear", "DequantizeLinear")
        names.append(weight.input[0].removesuffix(".weight_quantized"))
        values, scales, zeros = (stored[name] for name in weight.input)
        axis = 1 if node.op_type == "ConvTranspose" else 0
        assert values.dtype == np.int8 and scales.shape == (values.shape[axis],) and not zeros.any()
        zero = stored[data.input[2]]
        assert zero.dtype == (np.int8 if symmetric else np.uint8)
        assert scales.dtype == stored[data.input[1]].dtype == (np.float16 if symmetric else np.float32)
        if symmetric:
            assert not zero.any() and node.input[2] in stored and stored[node.input[2]].dtype == np.float16
    assert "encoder.0.0" not in names
    convolutions = [value for name, value in own.items() if name.endswith("weight")]
    both_domains = len(convolutions)
    shared = sum("shared" in name for name in own if name.endswith("weight"))
    upsamplings = 2  # each is four small convolutions in the file
    assert len(names) == (both_domains - shared) // 2 + shared - 1 + 3 * upsamplings


def test_weights_are_those_of_the_run(quantised: Exported, run: Path) -> None:
    graph = onnx.load(quantised.model).graph
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    (node,) = (n for n in graph.node if n.output[0] == "encoder.0.2.weight_DequantizeLinear_Output")
    values, scales, _ = (stored[name].astype(np.float32) for name in node.input)
    own = load_weights(run, load_run_config(run)).encoders[0][2].weight
    assert isinstance(own, torch.Tensor)
    steps = np.abs(values * scales[:, None, None, None] - own.detach().numpy()) / scales[:, None, None, None]
    assert steps.max() <= 0.6  # half a step, and fp16's rounding


def outlier(run: Path) -> Path:
    """A run whose encoder.0.2 gets one input channel a thousand times as large as the others."""
    unit = load_weights(run, load_run_config(run))
    first, second = unit.encoders[0][0], unit.encoders[0][2]
    assert isinstance(first, torch.nn.Conv2d) and isinstance(second, torch.nn.Conv2d)
    with torch.no_grad():
        assert first.bias is not None
        first.weight[0] *= 1000
        first.bias[0] *= 1000
        second.weight[:, 0] /= 1000
    save_weights(run, unit, 1)
    return run


@pytest.mark.slow
def test_a_layer_that_hurts_is_left_in_float(
    tmp_path: Path, write_run: Callable[..., Path], scenes: Path
) -> None:
    run = outlier(write_run(tmp_path / "run"))
    made = export_run(run, "night", output=tmp_path, precision="int8", int8=Int8(scenes, "tensorrt"))
    assert made.manifest.int8["in_float"] == ["encoder.0.2"]
    damage: dict[str, float] = made.manifest.int8["psnr_db_alone"]
    assert next(iter(damage)) == "encoder.0.2" and list(damage.values()) == sorted(damage.values())
    assert made.report.psnr_db >= 40 > damage["encoder.0.2"]


def test_too_much_damage(run: Path, tmp_path: Path, scenes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(verify.TOLERANCES, "int8", verify.Tolerance(255, 90))
    target = tmp_path / "m.onnx"
    with pytest.raises(
        VerifyError, match=r"expected 90 dB or more; most is lost in \S+ \(\d+\.\d dB alone\), "
    ):
        export_run(run, "night", output=target, precision="int8", int8=Int8(scenes, skip=OTHERS))
    assert list(tmp_path.iterdir()) == []
    int8 = Int8(scenes, skip=OTHERS, allow_low_quality=True)
    made = export_run(run, "night", output=target, precision="int8", int8=int8)
    assert made.report.psnr_db < 90 and target.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "int8"}, "needs frames to calibrate on: --calibrate"),
        ({"precision": "fp16", "int8": True}, "with precision fp16; expected int8"),
        ({"precision": "int8", "int8": True, "frame_size": (96, 96)}, "160x96 .* model of 96x96"),
    ],
    ids=str,
)
def test_contradictions(run: Path, scenes: Path, options: dict[str, Any], message: str) -> None:
    if options.get("int8"):
        options = {**options, "int8": Int8(scenes)}
    with pytest.raises(ConfigError, match=message):
        export_run(run, "night", **options)


@pytest.mark.parametrize(
    "options", [["--int8-skip", "encoder.0.0"], ["--int8-for", "tensorrt"], ["--allow-low-quality"]], ids=str
)
def test_options_for_int8_need_int8(run: Path, options: list[str]) -> None:
    done = CliRunner().invoke(app, ["export", str(run), "--to", "night", "--precision", "fp16", *options])
    assert done.exit_code == 1
    assert done.output == "error: options for int8 with --precision fp16; add --precision int8\n"


def test_an_unknown_variant(scenes: Path) -> None:
    with pytest.raises(ConfigError, match="int8 for 'gpu', expected one of cpu, tensorrt"):
        Int8(scenes, "gpu")


def test_layers_by_name(exported: Exported) -> None:
    layers = learned_nodes(onnx.load(exported.model))
    assert list(layers)[:3] == ["encoder.0.0", "encoder.0.2", "encoder.0.4"]
    assert chosen(layers, ["encoder.0", "encoder.1", "generator.0"]) == [
        layer for layer in layers if layer.startswith("generator.1.")
    ]
    assert chosen(layers, ["encoder.0.0.weight"]) == list(layers)[1:]
    with pytest.raises(ConfigError, match=r"'encoder.0.9': no such layer; expected some of encoder.0.0, "):
        chosen(layers, ["encoder.0.9"])
    with pytest.raises(ConfigError, match="every layer"):
        chosen(layers, ["encoder", "generator"])


def test_frames_are_spread_over_a_folder(scenes: Path) -> None:
    frames = list(CalibrationFrames(scenes, None, 4))
    expected = [cv2.imread(str(scenes / f"{number}.png")) for number in (0, 2, 5, 7)]
    assert len(frames) == 4 and all(map(np.array_equal, frames, expected))
    assert [frame.shape for frame in CalibrationFrames(scenes, (80, 48), 2)] == [(48, 80, 3)] * 2
    assert len(list(CalibrationFrames(scenes / "3.png", None))) == 1


def test_frames_that_can_not_be_used(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no image"):
        CalibrationFrames(tmp_path, None)
    with pytest.raises(SourceError, match="no such file"):
        CalibrationFrames(tmp_path / "none.mp4", None)
    (tmp_path / "text.mp4").write_text("hello")
    with pytest.raises(SourceError, match="not a video"):
        CalibrationFrames(tmp_path / "text.mp4", None)
