"""Engines, built for real with TensorRT-RTX, which needs no GPU for it."""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest
from typer.testing import CliRunner

from unit_edge.cli.app import app
from unit_edge.errors import ConfigError, ModelError
from unit_edge.export import to_engine
from unit_edge.export.scenes import synthetic_scene
from unit_edge.export.to_engine import BuildOptions, _profile, _set_flags, build_engine
from unit_edge.export.to_onnx import Exported, Int8, export_run
from unit_edge.interrupt import Interrupted
from unit_edge.machine.gpu import Gpu
from unit_edge.manifests.engine import EngineManifest, check_engine
from unit_edge.manifests.model import Manifest, sha256_of

ROOT = Path(__file__).resolve().parents[2]
RTX = BuildOptions(backend="rtx")
SMALL = dataclasses.replace(RTX, sizes=((32, 32), (64, 64), (128, 96)))


if (sys.platform, platform.machine()) != ("linux", "x86_64") or sys.version_info < (3, 11):
    pytest.skip("the dev extra installs TensorRT-RTX on Linux x86_64, Python 3.11+", allow_module_level=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("preset", "size", "precision"),
    [
        ("paper", None, "fp32"),
        ("paper", None, "int8"),
        ("released", None, "fp16"),
        ("released", None, "int8"),
        ("edge-s", None, "fp32"),
        ("edge-s", None, "fp16"),
        ("edge-s", None, "int8"),
        ("edge-s", (64, 64), "int8"),
        ("edge-s/half-size", None, "fp16"),
        ("edge-s/half-size", None, "int8"),
    ],
)
def test_every_preset_builds(
    preset: str,
    size: tuple[int, int] | None,
    precision: str,
    write_run: Callable[..., Path],
    tmp_path: Path,
) -> None:
    run = write_run(tmp_path / "run", preset)
    int8 = None
    if precision == "int8":
        scene = tmp_path / "scene.png"
        cv2.imwrite(str(scene), synthetic_scene(96, 96, 1.0, 0))
        int8 = Int8(scene, "tensorrt", allow_low_quality=True)
    options: dict[str, Any] = {"frame_size": size, "precision": precision, "int8": int8}
    model = export_run(run, "night", output=tmp_path, **options).model
    path = build_engine(model, None, SMALL if size is None else RTX)
    manifest = check_engine(path)
    assert manifest.precision == precision
    assert manifest.onnx_sha256 == sha256_of(model)
    assert manifest.profile == (SMALL.sizes if size is None else (size,) * 3)
    assert Manifest.read(model.with_suffix(".json")).sha256 == manifest.onnx_sha256


@pytest.fixture(scope="module")
def built(exported: Exported, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_engine(exported.model, tmp_path_factory.mktemp("built") / "m.engine", SMALL)


@pytest.fixture
def engine(built: Path, tmp_path: Path) -> Path:
    """A copy that may be damaged."""
    for suffix in (".engine", ".json"):
        shutil.copy(built.with_suffix(suffix), tmp_path)
    return tmp_path / "m.engine"


def change(engine: Path, **values: object) -> None:
    beside = engine.with_suffix(".json")
    beside.write_text(json.dumps({**json.loads(beside.read_text()), **values}))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"tensorrt": "9.9"}, "built for TensorRT 9.9, here is 1.0"),
        ({"platform": "Plan9 mips"}, "built for operating system Plan9 mips"),
        ({"compute_capability": "7.5"}, "built for compute capability 7.5, here is 8.7"),
        ({"backend": "tensorrt", "gpu": "T4", "tensorrt": "1.0"}, "built for GPU T4, here is Orin"),
        ({"sha256": "0"}, "another sha256"),
        ({"schema": 9}, "damaged engine manifest"),
    ],
)
def test_a_foreign_engine_is_refused(engine: Path, values: dict[str, object], words: str) -> None:
    change(engine, **{"tensorrt": "1.0", **values})
    with pytest.raises(ModelError, match=r"unit-edge build") as caught:
        check_engine(engine, tensorrt="1.0", gpu=Gpu("Orin", "8.7"))
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_damaged_engine_is_refused(engine: Path) -> None:
    assert isinstance(check_engine(engine), EngineManifest)
    engine.write_bytes(engine.read_bytes()[:-1])
    with pytest.raises(ModelError, match=r"damaged: .* bytes, expected"):
        check_engine(engine)
    engine.with_suffix(".json").unlink()
    with pytest.raises(ModelError, match="manifest is missing"):
        check_engine(engine)


def test_what_can_not_be_built_leaves_nothing(exported: Exported, tmp_path: Path) -> None:
    model = Path(shutil.copy(exported.model, tmp_path))
    with pytest.raises(ModelError, match="manifest is missing"):
        build_engine(model, None, SMALL)
    manifest = exported.manifest
    model.write_bytes(model.read_bytes()[:2000])
    dataclasses.replace(manifest, sha256=sha256_of(model)).write(model.with_suffix(".json"))
    with pytest.raises(ModelError, match="damaged, or no ONNX model"):
        build_engine(model, None, SMALL)
    model.write_bytes(b"no")
    with pytest.raises(ModelError, match="not an ONNX model"):
        build_engine(model, None, SMALL)
    assert not list(tmp_path.glob("*.engine")) and not list(tmp_path.glob(".*"))


def test_options_that_do_not_fit(exported: Exported, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no folder"):
        build_engine(exported.model, tmp_path / "none" / "m.engine", SMALL)
    with pytest.raises(ConfigError, match="another name than the model's"):
        build_engine(exported.model, exported.model.with_suffix(".engine"), SMALL)
    with pytest.raises(ConfigError, match="--min-size up to"):
        build_engine(exported.model, None, dataclasses.replace(RTX, sizes=((640, 480), (64, 64), None)))
    (model := tmp_path / "m.onnx").write_bytes(exported.model.read_bytes())
    dataclasses.replace(exported.manifest, int8={"for": "cpu"}).write(tmp_path / "m.json")
    with pytest.raises(ConfigError, match=r"an int8 model for CPUs.*--int8-for tensorrt"):
        build_engine(model, None, SMALL)
    for sizes, expected in (
        ((None, None, (640, 480)), ((320, 180), (640, 480), (640, 480))),
        ((None, (160, 90), None), ((160, 90), (160, 90), (1920, 1080))),
        ((None, (2560, 1440), None), ((320, 180), (2560, 1440), (2560, 1440))),
        (((1600, 900), None, None), ((1600, 900), (1600, 900), (1920, 1080))),
    ):
        assert _profile(exported.model, exported.manifest, sizes) == expected
    with pytest.raises(ConfigError, match="expected sides of 32"):
        build_engine(exported.model, None, dataclasses.replace(RTX, sizes=((8, 8), None, None)))


def test_targets_that_can_not_be_written(exported: Exported, tmp_path: Path) -> None:
    (tmp_path / "m.engine").mkdir()
    with pytest.raises(ModelError, match=r"m.engine: can't be written"):
        build_engine(exported.model, tmp_path / "m.engine", SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["m.engine"]


def test_an_interruption_leaves_nothing(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while TensorRT works: its progress monitor ends the build."""
    make = to_engine._monitor

    def interrupting(trt: Any, wish: Any) -> Any:
        monitor = make(trt, wish)
        os.kill(os.getpid(), signal.SIGTERM)
        return monitor

    monkeypatch.setattr(to_engine, "_monitor", interrupting)
    with pytest.raises(Interrupted):
        build_engine(exported.model, tmp_path / "m.engine", SMALL)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--backend", "trt"], "unknown backend 'trt'; known: auto, tensorrt, rtx"),
        (
            ["--board", "orin-nano-8g"],
            "unknown board 'orin-nano-8g'; did you mean orin-nano-8gb, orin-nano-8gb-super?",
        ),
        (["--min-size", "640"], "640"),
    ],
)
def test_wrong_options_are_named(arguments: list[str], message: str, exported: Exported) -> None:
    done = CliRunner().invoke(app, ["build", str(exported.model), *arguments])
    assert done.exit_code != 0 and message in done.output
    assert len(done.output.strip().splitlines()) == 1 or "Usage" in done.output


def test_a_board_needs_neither_torch_nor_onnx() -> None:
    code = "import sys\nfor n in ('torch','onnx'): sys.modules[n] = None\nimport unit_edge.export.to_engine"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize("name", ["dla", "version_compatible", "hardware_compatible"])
def test_rtx_refuses_what_it_lacks(name: str, exported: Exported) -> None:
    with pytest.raises(ConfigError, match="TensorRT-RTX has no --"):
        build_engine(exported.model, None, dataclasses.replace(SMALL, **{name: True}))


def test_engines_multiply_in_full_fp32() -> None:
    trt = importlib.import_module("tensorrt_rtx")
    builder = trt.Builder(trt.Logger())
    config = builder.create_builder_config()
    assert config.get_flag(trt.BuilderFlag.TF32)  # TensorRT's own choice
    _set_flags(trt, config, RTX)
    assert not config.get_flag(trt.BuilderFlag.TF32)
