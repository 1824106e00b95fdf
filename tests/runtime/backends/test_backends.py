"""Backends other than ONNX Runtime: what they compute is the same, and what they lack is said."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from doubles import scene

from unit_edge.errors import BackendError, ConfigError, ModelError
from unit_edge.machine.gpu import find_gpu
from unit_edge.manifests.model import Manifest
from unit_edge.registry import bundled_models
from unit_edge.runtime.backends.base import is_overlapping
from unit_edge.runtime.backends.open import open_runner, read_model

WriteModel = Callable[..., Path]
WriteEngine = Callable[[Path], Path]


def require_provider(name: str) -> None:
    assert name in pytest.importorskip("onnxruntime").get_available_providers(), f"has no {name}"


OTHERS = {
    "openvino": lambda: importlib.import_module("openvino"),
    "onnxruntime-cuda": lambda: require_provider("CUDAExecutionProvider"),
    "onnxruntime-tensorrt": lambda: require_provider("TensorrtExecutionProvider"),
}
"""Backends that run ONNX files, besides ONNX Runtime on the CPU, and what fails without them."""


@pytest.fixture(params=[pytest.param(name, marks=[pytest.mark.gpu] * ("-" in name)) for name in OTHERS])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """One that is installed here, with a GPU if it needs one."""
    name = str(request.param)
    if "-" in name and find_gpu() is None:
        pytest.skip("needs a CUDA GPU")
    try:
        OTHERS[name]()
    except (ImportError, AssertionError) as error:
        pytest.skip(str(error))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return name


@pytest.mark.parametrize("size", [(640, 360), (180, 321)])
@pytest.mark.parametrize("index", range(6))
def test_every_backend_computes_the_same(index: int, size: tuple[int, int], backend: str) -> None:
    model, _ = bundled_models()[index]
    frame = scene(*size)
    with open_runner(model, "onnxruntime", threads=1) as one, open_runner(model, backend, threads=1) as other:
        for frames in (frame, 255 - frame, frame):  # a CUDA graph is captured by the first and replayed then
            given, expected = other.infer(frames), one.infer(frames)
            assert np.abs(given.astype(int) - expected).max() <= 1
            assert given.std() > 5, "the frames must not be blank"
        if is_overlapping(other):
            waiting = [other.start(frames) for frames in (frame, 255 - frame)]
            for wait, frames in zip(waiting, (frame, 255 - frame), strict=True):
                assert np.abs(wait().astype(int) - one.infer(frames)).max() <= 1


def test_without_openvino_the_error_names_the_extra(
    write_model: WriteModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.delitem(sys.modules, "unit_edge.runtime.backends.openvino.runner", raising=False)
    with pytest.raises(BackendError, match=r"unit-edge\[openvino\]"):
        open_runner(write_model(), "openvino")


def test_an_engine_says_what_it_translates(write_model: WriteModel, write_engine: WriteEngine) -> None:
    model = write_model("invert")
    assert read_model(write_engine(model)) == Manifest.read(model.with_suffix(".json"))


def test_engines_and_models_are_not_mixed_up(write_model: WriteModel, write_engine: WriteEngine) -> None:
    model = write_model()
    with pytest.raises(ConfigError, match="unit-edge build"):
        open_runner(model, "tensorrt")
    with pytest.raises(ConfigError, match="run by TensorRT, not by onnxruntime"):
        open_runner(write_engine(model), "onnxruntime")


def test_a_changed_engine_is_not_loaded(write_model: WriteModel, write_engine: WriteEngine) -> None:
    path = write_engine(write_model())
    path.write_bytes(b"no engine")
    with pytest.raises(ModelError, match="another sha256"):
        open_runner(path)


def test_without_a_gpu_an_engine_is_refused(write_model: WriteModel, write_engine: WriteEngine) -> None:
    if find_gpu() is not None:
        pytest.skip("there is a GPU")
    with pytest.raises(BackendError, match="no NVIDIA GPU"), open_runner(write_engine(write_model())):
        pass


@pytest.fixture(params=["tensorrt", "tensorrt_rtx"])
def builder(request: pytest.FixtureRequest) -> str:
    """One that is installed here, with a GPU to run it."""
    if find_gpu() is None:
        pytest.skip("needs a CUDA GPU")
    pytest.importorskip(request.param)
    pytest.importorskip("cuda.bindings")
    return "rtx" if request.param == "tensorrt_rtx" else "tensorrt"


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("size", [None, (640, 360)])
def test_tensorrt_computes_the_same(
    size: tuple[int, int] | None, precision: str, builder: str, tmp_path: Path
) -> None:
    from unit_edge.export.to_engine import BuildOptions, build_engine
    from unit_edge.export.to_onnx import export_run

    run = Path(__file__).resolve().parents[3] / "models" / "day-night"
    model = export_run(run, "night", output=tmp_path, frame_size=size, precision=precision).model
    engine = build_engine(model, None, BuildOptions(backend=builder))
    with open_runner(model, "onnxruntime") as one, open_runner(engine) as other:
        assert is_overlapping(other)
        for width, height in [size] * 2 if size else [(640, 360), (1280, 720), (640, 360)]:
            frame = scene(width, height)
            expected = one.infer(frame).astype(int)
            for _ in range(3):  # the first call is recorded, the others replay it
                assert np.abs(other.infer(frame) - expected).max() <= (1 if precision == "fp32" else 3)
            assert np.array_equal(other.infer(255 - frame), other.infer(255 - frame))
            waiting = [other.start(shown) for shown in (frame, 255 - frame)]  # two are on the GPU at once
            for wait, right in zip(waiting, (expected, one.infer(255 - frame).astype(int)), strict=True):
                assert np.abs(wait() - right).max() <= (1 if precision == "fp32" else 3)
        if size is None:
            with pytest.raises(ModelError, match="--max-size"):
                other.infer(scene(2560, 1440))


def test_openvino_reports_nothing_over_the_network(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    code = (
        "import socket, sys\n"
        "def refuse(*args, **kwargs): raise SystemExit('the network was asked')\n"
        "socket.create_connection = socket.getaddrinfo = refuse\n"
        "import unit_edge.runtime.backends.openvino.runner\n"
        "assert 'openvino' in sys.modules and sys.modules['openvino_telemetry'] is None\n"
    )
    environment = {**os.environ, "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert not list(tmp_path.iterdir()), "nothing is left in the home folder"
