"""ONNX Runtime on a GPU, as far as it shows without one: what it computes, asks for and says."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from doubles import picture, scene
from fake_onnxruntime import Opened, install

from unit_edge.errors import BackendError
from unit_edge.registry import bundled_models
from unit_edge.runtime.backends.onnxruntime import gpu
from unit_edge.runtime.backends.onnxruntime import session as ort_session
from unit_edge.runtime.backends.onnxruntime.bound import BoundSession
from unit_edge.runtime.backends.onnxruntime.session import (
    CPU,
    CUDA,
    TENSORRT,
    fix_size,
    open_session,
    session_options,
)
from unit_edge.runtime.backends.open import open_runner

WriteModel = Callable[..., Path]
COMPUTES_SHAPES = {"Shape", "Size", "ConstantOfShape", "NonZero", "If", "Loop", "Scan"}
NAMES = ("frame", "translated")


def fixed(model: Path, shape: tuple[int, ...], optimised: Path | None = None) -> Any:
    options = session_options()
    options.intra_op_num_threads = 1
    if optimised is not None:
        options.optimized_model_filepath = str(optimised)
    dimensions = open_session(model, [CPU], session_options()).get_inputs()[0].shape
    fix_size(options, dimensions, shape)
    return open_session(model, [CPU], options)


@pytest.mark.parametrize("index", range(6))
def test_a_fixed_size_leaves_no_shapes_to_compute(index: int, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    model, _ = bundled_models()[index]
    assert COMPUTES_SHAPES & {node.op_type for node in onnx.load(model).graph.node}, "nothing to get rid of"
    session = fixed(model, (1, 361, 640, 3), tmp_path / "optimised.onnx")
    left = {node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node}
    assert len(left) > 5 and not COMPUTES_SHAPES & left
    assert session.get_outputs()[0].shape == [1, 361, 640, 3]


@pytest.mark.parametrize("index", range(6))
def test_bound_memory_and_a_fixed_size_compute_the_same(index: int) -> None:
    model, manifest = bundled_models()[index]
    names = manifest.input.name, manifest.output.name
    frames = [scene(320, 180), 255 - scene(320, 180)]
    bound = BoundSession(fixed(model, frames[0].shape), frames[0].shape, names, "cpu")
    given = [bound.infer(frame) for frame in [*frames, *frames]]
    with open_runner(model, "onnxruntime", threads=1) as plain:
        for result, frame in zip(given, [*frames, *frames], strict=True):
            assert np.abs(result.astype(int) - plain.infer(frame)).max() <= 1


def test_what_the_bound_session_says_is_a_backend_error(write_model: WriteModel) -> None:
    shape = (1, 24, 32, 3)
    bound = BoundSession(fixed(write_model("invert"), shape), shape, NAMES, "cpu")
    with pytest.raises(BackendError):
        bound.infer(np.zeros((1, 24, 31, 3), np.uint8))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Opened:
    return install(monkeypatch, tmp_path / "cache")


@pytest.mark.parametrize("backend", ["onnxruntime-cuda", "onnxruntime-tensorrt"])
def test_it_asks_for_a_graph_of_a_fixed_size_without_tf32(
    backend: str, opened: Opened, write_model: WriteModel
) -> None:
    with open_runner(write_model("invert"), backend) as runner:
        for size in [(32, 24), (64, 48), (32, 24)]:
            assert np.array_equal(runner.infer(picture(7, size)[None]), 255 - picture(7, size)[None])
        assert runner.backend.endswith(", a CUDA graph")
    assert opened.sizes[1:] == [[1, 24, 32, 3], [1, 48, 64, 3]], "one session a size"
    for asked in opened.asked:
        assert asked[CUDA]["use_tf32"] == "0"
        assert next(iter(asked)) == (CUDA if backend == "onnxruntime-cuda" else TENSORRT)
    sized = opened.asked[1]
    if backend == "onnxruntime-cuda":
        assert sized[CUDA]["enable_cuda_graph"] == "1"
        assert os.environ["NVIDIA_TF32_OVERRIDE"] == "1"
    else:
        assert sized[TENSORRT]["trt_cuda_graph_enable"] == "True"
        assert not any("fp16" in name or "int8" in name for name in sized[TENSORRT])
        assert os.environ["NVIDIA_TF32_OVERRIDE"] == "0"


@pytest.mark.parametrize("backend", ["onnxruntime-cuda", "onnxruntime-tensorrt"])
def test_a_graph_that_is_refused_is_said_and_done_without(
    backend: str, opened: Opened, write_model: WriteModel
) -> None:
    opened.refuses = lambda asked: (
        "This session cannot use the graph capture feature"
        if asked[CUDA].get("enable_cuda_graph") == "1"
        or asked.get(TENSORRT, {}).get("trt_cuda_graph_enable") == "True"
        else ""
    )
    with open_runner(write_model("invert", shape=(1, 24, 32, 3)), backend) as runner:
        assert "no CUDA graph" in runner.backend and "graph capture feature" in runner.backend
        assert (runner.infer(picture(7)[None]) == 248).all()
    assert all(next(iter(asked)) != CPU for asked in opened.asked)


def test_a_failure_with_or_without_a_graph_comes_out(opened: Opened, write_model: WriteModel) -> None:
    opened.refuses = lambda asked: "out of memory"
    with (
        pytest.raises(Exception, match=r"out of memory") as caught,
        open_runner(write_model(), "onnxruntime-cuda"),
    ):
        pass
    assert "\n" not in str(caught.value)


def test_only_the_last_sizes_are_kept(opened: Opened, write_model: WriteModel) -> None:
    with open_runner(write_model("invert"), "onnxruntime-cuda") as runner:
        for width in (32, 34, 32, 36, 32, 34):
            runner.infer(picture(0, (width, 24))[None])
    assert [size[2] for size in opened.sizes[1:]] == [32, 34, 36, 34], "the one unused longest goes first"


def engine_files(tmp_path: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in tmp_path.rglob("*.engine")}


def run_tensorrt(model: Path, width: int = 32) -> None:
    with open_runner(model, "onnxruntime-tensorrt") as runner:
        runner.infer(picture(0, (width, 24))[None])


def test_engines_are_kept_and_used_again(opened: Opened, write_model: WriteModel, tmp_path: Path) -> None:
    model = write_model("invert")
    run_tensorrt(model)
    first = engine_files(tmp_path)
    run_tensorrt(model)
    assert len(first) == 1 and engine_files(tmp_path) == first
    run_tensorrt(model, width=64)
    run_tensorrt(write_model("identity"))
    assert len(engine_files(tmp_path)) == 3, "another size or model has engines of its own"


def test_a_changed_engine_is_built_anew(opened: Opened, write_model: WriteModel, tmp_path: Path) -> None:
    model = write_model("invert")
    run_tensorrt(model)
    (path,) = tmp_path.rglob("*.engine")
    path.write_bytes(b"not what was built")
    run_tensorrt(model)
    (content,) = engine_files(tmp_path).values()
    assert content != b"not what was built"


def test_tensorrt_that_takes_no_part_is_an_error(
    opened: Opened, write_model: WriteModel, tmp_path: Path
) -> None:
    opened.builds = False
    with pytest.raises(BackendError, match="can't run any part of it"):
        run_tensorrt(write_model("invert"))
    assert not list((tmp_path / "cache/unit-edge/engines").iterdir())


def test_without_a_gpu_it_says_so(
    opened: Opened, write_model: WriteModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "find_gpu", lambda: None)
    for backend in ("onnxruntime-cuda", "onnxruntime-tensorrt"):
        with pytest.raises(BackendError, match="no NVIDIA GPU"), open_runner(write_model(), backend):
            pass


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"text": "libcudnn.so.9: cannot open shared object file"}

    def load(_path: str) -> None:
        if said["text"]:
            raise OSError(said["text"])

    monkeypatch.setattr(ort_session.ctypes, "CDLL", load)
    monkeypatch.setattr(ort, "preload_dlls", lambda: print("not found"), raising=False)
    assert ort_session.missing_library(CUDA) == "libcudnn.so.9: cannot open shared object file"
    said["text"] = "/here/libonnxruntime_providers_cuda.so: undefined symbol: Provider_GetHost"
    assert ort_session.missing_library(CUDA) == "", "its own libraries come when onnxruntime loads it"


def test_libraries_of_pip_packages_are_found(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    loaded: list[bool] = []

    def preload() -> None:
        print("found some, not others")
        loaded.append(True)

    def load(_path: str) -> None:
        if not loaded:
            raise OSError("libcublas.so.13: cannot open shared object file")

    monkeypatch.setattr(ort_session.ctypes, "CDLL", load)
    monkeypatch.setattr(ort, "preload_dlls", preload, raising=False)
    assert ort_session.missing_library(CUDA) == ""
    assert capfd.readouterr().out == "", "frames may be on their way to stdout"
