"""Exported files: what they say, what they compute, and that there are none after a failure."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch

import unit_edge
from unit_edge.config import Detail
from unit_edge.errors import CheckpointError, ConfigError, ModelError, SourceError, UnitEdgeError, VerifyError
from unit_edge.export import to_onnx
from unit_edge.export.scenes import synthetic_scene
from unit_edge.export.to_onnx import Exported, export_run
from unit_edge.export.trained import load_run
from unit_edge.export.translator import Translator
from unit_edge.manifests.model import Manifest, TensorSpec, sha256_of
from unit_edge.runtime import open_runner
from unit_edge.train.networks import UNIT


def compare(model: Path, translator: Translator, sizes: list[tuple[int, int]]) -> None:
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    for number, (width, height) in enumerate(sizes):
        frame = synthetic_scene(width, height, 1.0, number)[None]
        given = session.run(None, {"frame": frame})[0].astype(int)
        expected = translator(torch.from_numpy(frame)).numpy().astype(int)
        assert given.shape == frame.shape
        assert expected.std() > 5
        assert np.abs(given - expected).max() <= 1
        assert (given != expected).mean() < 0.001


def test_any_frame_size_matches_pytorch(exported: Exported, unit_of: Callable[[str], UNIT]) -> None:
    sizes = [(320, 180), (180, 320), (640, 272), (32, 32), (400, 32), (32, 400), (131, 75), (1920, 1080)]
    compare(exported.model, Translator(unit_of("edge-s"), 0, (Detail(), 32)), sizes)


@pytest.mark.parametrize(
    ("preset", "options", "size"),
    [
        ("paper", {"detail": "none", "frame_size": (64, 48)}, (64, 48)),
        ("released", {"detail": "guided", "frame_size": (90, 160), "network_size": 36}, (90, 160)),
        ("edge-s/half-size", {"detail": "guided", "frame_size": (90, 160), "network_size": 36}, (90, 160)),
    ],
    ids=["paper", "released", "edge-s/half-size"],
)
def test_fixed_sizes_match_pytorch(
    preset: str,
    options: dict[str, Any],
    size: tuple[int, int],
    tmp_path: Path,
    write_run: Callable[..., Path],
    unit_of: Callable[[str], UNIT],
) -> None:
    made = export_run(write_run(tmp_path / "run", preset), "day", output=tmp_path / "m.onnx", **options)
    guided = None if options["detail"] == "none" else (Detail(), 36)
    compare(made.model, Translator(unit_of(preset), 1, guided), [size, size])
    assert made.manifest.input.shape == (1, size[1], size[0], 3)
    assert made.manifest.network_size == ((64, 48) if guided is None else (36, 64))
    kinds = {node.op_type for node in onnx.load(made.model).graph.node}
    assert kinds.isdisjoint({"Dropout", "RandomNormal", "RandomNormalLike", "Shape"})
    assert ("InstanceNormalization" in kinds) == (preset == "released")


def test_a_graded_model_matches_pytorch_whole_and_cut(
    tmp_path: Path, run: Path, unit_of: Callable[[str], UNIT]
) -> None:
    """Where a runtime cuts the graph it grades itself, once."""
    head = {"residual": 1.0, "highlights": 6.0, "saturation": 1.3, "brightness": 1.1, "coolness": 0.1}
    head |= {"contrast": 1.4, "gain_limit": 1.5, "red_lights": 1.5, "green_lights": 1.5, "margin": 8}
    head |= {"sharpness": 1.2, "stray_colour": 0.03, "magenta": 0.2, "hue": 0.2}
    made = export_run(run, "night", output=tmp_path / "m.onnx", **head)  # type: ignore[arg-type]
    assert Detail.of(made.manifest.detail_settings) == Detail(**head)  # type: ignore[arg-type]
    translator = Translator(unit_of("edge-s"), 0, (Detail(**head), 32))  # type: ignore[arg-type]
    compare(made.model, translator, [(320, 180), (131, 75)])
    plain = Translator(unit_of("edge-s"), 0, (Detail(residual=1.0), 32))
    frame = synthetic_scene(320, 180, 1.0, 0)
    expected, ungraded = (
        t(torch.from_numpy(frame[None])).numpy()[0].astype(int) for t in (translator, plain)
    )
    assert np.abs(expected - ungraded).max() > 8
    for whole in (False, True):
        with open_runner(made.model, "onnxruntime", whole=whole) as runner:
            assert np.abs(runner.infer(frame[None])[0].astype(int) - expected).max() <= 1


def test_the_manifest_says_what_the_file_is(exported: Exported, run: Path) -> None:
    assert exported.model.name == "day2night-tiny.onnx"
    assert sorted(path.name for path in exported.model.parent.iterdir()) == [
        "day2night-tiny.json",
        "day2night-tiny.onnx",
    ]
    manifest = Manifest.read(exported.model.with_suffix(".json"))
    assert manifest == exported.manifest
    assert manifest.sha256 == sha256_of(exported.model)
    assert (manifest.name, manifest.source, manifest.target) == ("day2night-tiny", "day", "night")
    assert (manifest.preset, manifest.precision, manifest.detail) == ("edge-s", "fp32", "guided")
    assert manifest.input == TensorSpec("frame", "uint8", (1, None, None, 3))
    assert manifest.output == TensorSpec("translated", "uint8", (1, None, None, 3))
    assert (manifest.network_short_side, manifest.network_size) == (32, None)
    assert Detail.of(manifest.detail_settings) == Detail()
    weights = sha256_of(run / "weights.safetensors")
    assert manifest.made_from == {"run": "tiny", "step": 1234, "weights_sha256": weights}
    assert manifest.versions == {
        "unit_edge": unit_edge.__version__,
        "torch": torch.__version__,
        "onnx": onnx.__version__,
    }


@pytest.mark.parametrize("name", ["clear-rain-mirrors", "clear-fog"])
def test_a_bundled_name_is_that_of_its_own_run_alone(name: str, tmp_path: Path) -> None:
    bundled = Path(__file__).parents[2] / "models" / name
    first, second, *_ = name.split("-")
    assert to_onnx._name(load_run(bundled), 0, second) == f"{first}2{second}-edge-s"
    other = tmp_path / "mine"
    shutil.copytree(bundled, other)
    content = bytearray((other / "weights.safetensors").read_bytes())
    content[-1] ^= 1
    (other / "weights.safetensors").write_bytes(content)
    assert to_onnx._name(load_run(other), 0, second) == f"{first}2{second}-mine"


def test_the_file_says_it_too(exported: Exported) -> None:
    model = onnx.load(exported.model)
    assert {entry.key: entry.value for entry in model.metadata_props} == {
        "name": "day2night-tiny",
        "source": "day",
        "target": "night",
        "preset": "edge-s",
        "precision": "fp32",
        "network_short_side": "32",
        "detail": "guided",
    }
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 18)]
    assert {node.domain for node in model.graph.node} == {""}


def test_nothing_of_this_machine_is_in_the_file(exported: Exported) -> None:
    content = exported.model.read_bytes()
    places = [
        str(Path.cwd()),
        str(Path.home()),
        sys.prefix,
        str(Path(torch.__file__).parent),
        ".py",
        "Traceback",
    ]
    assert [place for place in places if place.encode() in content] == []


@pytest.mark.slow
def test_the_same_run_gives_the_same_bytes(exported: Exported, run: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from unit_edge.export.to_onnx import export_run; "
        "export_run(Path(sys.argv[1]), 'night', output=Path(sys.argv[2]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(run), str(tmp_path)],
        env={**os.environ, "PYTHONHASHSEED": "11"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    for suffix in (".onnx", ".json"):
        again = tmp_path / exported.model.with_suffix(suffix).name
        assert again.read_bytes() == exported.model.with_suffix(suffix).read_bytes()


def no_export(*_: object) -> bytes:
    raise AssertionError("this was to fail before the graph is made")


@pytest.mark.parametrize(
    ("to", "options", "error", "message"),
    [
        ("dusk", {}, ConfigError, "dusk.*day, night"),
        ("night", {"network_size": 33}, ConfigError, "32 or 36"),
        ("night", {"output": "missing/m.onnx"}, ConfigError, "no folder"),
        ("night", {"output": "m.pt"}, ConfigError, "ends in .onnx"),
    ],
    ids=str,
)
def test_wrong_requests_cost_no_time(
    to: str,
    options: dict[str, Any],
    error: type[UnitEdgeError],
    message: str,
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(to_onnx, "serialise", no_export)
    if "output" in options:
        options = {"output": tmp_path / options["output"]}
    with pytest.raises(error, match=message):
        export_run(run, to, **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["config.json", "weights.safetensors"])
@pytest.mark.parametrize("damage", ["missing", "cut off", "something else"])
def test_damaged_runs_are_named(
    name: str, damage: str, tmp_path: Path, write_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(to_onnx, "serialise", no_export)
    run = write_run(tmp_path / "run")
    path = run / name
    content = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes(content[: len(content) // 2] if damage == "cut off" else b"hello")
    with pytest.raises(CheckpointError) as caught:
        export_run(run, "night", output=tmp_path)
    assert str(run) in str(caught.value) and "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_weights_of_other_networks_are_refused(tmp_path: Path, write_run: Callable[..., Path]) -> None:
    run = write_run(tmp_path / "run")
    other = write_run(tmp_path / "other", "paper")
    (other / "weights.safetensors").replace(run / "weights.safetensors")
    with pytest.raises(CheckpointError, match="other networks"):
        export_run(run, "night", output=tmp_path)


def test_a_graph_that_computes_something_else_is_not_written(
    exported: Exported, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = onnx.load(exported.model)
    largest = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    largest.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(largest) * 1.05, largest.name))
    monkeypatch.setattr(to_onnx, "serialise", lambda *_: model.SerializeToString())
    (tmp_path / "day2night-tiny.onnx").write_bytes(b"an older export")
    with pytest.raises(VerifyError, match="computes something else"):
        export_run(run, "night", output=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["day2night-tiny.onnx"]
    assert (tmp_path / "day2night-tiny.onnx").read_bytes() == b"an older export"


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (OSError(28, "No space left on device"), ModelError),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (RuntimeError("a fault of the exporter"), RuntimeError),
    ],
    ids=["disk full", "Ctrl-C", "fault"],
)
def test_a_failure_on_the_way_leaves_nothing(
    fault: BaseException,
    error: type[BaseException],
    exported: Exported,
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise fault

    monkeypatch.setattr(to_onnx, "serialise", lambda *_: exported.model.read_bytes())
    monkeypatch.setattr(Manifest, "write", fail)
    with pytest.raises(error):
        export_run(run, "night", output=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_missing_frames_to_verify_on_leave_nothing(
    exported: Exported, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(to_onnx, "serialise", lambda *_: exported.model.read_bytes())
    with pytest.raises(SourceError, match="no such file"):
        export_run(run, "night", output=tmp_path, frames=tmp_path / "none.mp4")
    assert list(tmp_path.iterdir()) == []


def test_a_chosen_name_is_the_models(
    exported: Exported, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(to_onnx, "serialise", lambda *_: exported.model.read_bytes())
    made = export_run(run, "night", output=tmp_path / "board.onnx")
    assert (made.manifest.name, made.model.name) == ("board", "board.onnx")
    assert json.loads((tmp_path / "board.json").read_text())["name"] == "board"


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_several_frames_in_a_call(
    precision: str, exported: Exported, run: Path, unit_of: Callable[[str], UNIT], tmp_path: Path
) -> None:
    made = export_run(run, "night", output=tmp_path, precision=precision, batch=3)
    assert made.manifest.batch == 3 and made.manifest.input.shape == (3, None, None, 3)
    frames = np.stack([synthetic_scene(90, 50, 1 - 0.2 * number, number) for number in range(3)])
    assert exported.manifest.detail == "guided"
    with torch.inference_mode():
        translator = Translator(unit_of("edge-s"), 0, (Detail(), made.manifest.network_short_side))
        expected = translator(torch.from_numpy(frames)).numpy().astype(int)
    (given,) = ort.InferenceSession(made.model, providers=["CPUExecutionProvider"]).run(
        None, {"frame": frames}
    )
    assert np.abs(given - expected).max() <= (1 if precision == "fp32" else 3)
    if precision == "fp32":
        ours, one = made.manifest.costs, exported.manifest.costs
        assert ours is not None and one is not None
        for batched, single in zip(ours.at, one.at, strict=True):
            assert batched.macs == single.macs, "costs are for one frame"
            assert batched.traffic_bytes < single.traffic_bytes, "weights are read once for all three"
            assert batched.activations_bytes > 2 * single.activations_bytes


@pytest.mark.parametrize("batch", [0, -1, 65])
def test_batches_that_can_not_be(batch: int, run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"batch {batch}, expected 1 to 64 frames"):
        export_run(run, "night", output=tmp_path, batch=batch)
