"""Models that can't be what they should be are refused before the first frame, in one line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from commands import cli

from unit_edge.errors import BackendError, ConfigError, ModelError
from unit_edge.machine.gpu import Gpu
from unit_edge.manifests.model import TensorSpec, size_text
from unit_edge.runtime.backends.base import is_overlapping
from unit_edge.runtime.backends.open import open_runner

WriteModel = Callable[..., Path]


def test_it_computes_what_the_graph_says(write_model: WriteModel) -> None:
    image = np.random.default_rng(0).integers(0, 256, (1, 30, 50, 3), dtype=np.uint8)
    with open_runner(write_model("invert")) as runner:
        assert np.array_equal(runner.infer(image), 255 - image)
        assert "CPU" in runner.backend


@pytest.mark.parametrize("scale", [1e-30, 0.5, 2.0])
@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_what_gives_frames_of_another_size_is_refused(
    backend: str, scale: float, write_model: WriteModel, tmp_path: Path
) -> None:
    """Its manifest can't tell: sides are of any size there."""
    pytest.importorskip(backend)
    onnx = pytest.importorskip("onnx", reason="building test models needs the export extra")
    model = write_model("invert")
    proto = onnx.load(model)
    proto.graph.initializer.append(
        onnx.numpy_helper.from_array(np.array([1, scale, scale, 1], np.float32), "scales")
    )
    last = proto.graph.node[-1]
    enlarge = onnx.helper.make_node("Resize", [last.input[0], "", "scales"], ["other size"])
    last.input[0] = "other size"
    proto.graph.node.insert(len(proto.graph.node) - 1, enlarge)
    from hostile_models import written

    written(model, proto)
    frame = np.zeros((1, 32, 48, 3), np.uint8)
    with open_runner(model, backend, threads=2) as runner:
        with pytest.raises(ModelError, match="expected as many and as large"):
            runner.infer(frame)
        if is_overlapping(runner):
            with pytest.raises(ModelError, match="expected as many and as large"):
                runner.start(frame)()
    picture = tmp_path / "a.png"
    assert cv2.imwrite(str(picture), frame[0])
    code, _, said = cli(
        "translate", picture, "--model", model, "-o", tmp_path / "b.png", "--backend", backend, "-q"
    )
    assert code == 1 and said.startswith("error: ") and said.count("\n") == 1
    assert not (tmp_path / "b.png").exists()


def refused(path: Path) -> str:
    with pytest.raises(ModelError) as caught, open_runner(path):
        pass
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_missing_file(tmp_path: Path) -> None:
    assert "no such model file" in refused(tmp_path / "missing.onnx")


def test_another_kind_of_file(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(b"x")
    assert "expected one that ends in .onnx or .engine" in refused(tmp_path / "model.pt")


def test_no_onnx_inside(write_model: WriteModel) -> None:
    path = write_model()
    path.write_bytes(b"this is text")
    assert "not an ONNX model" in refused(path)
    path.write_bytes(b"")
    assert "not an ONNX model" in refused(path)


def test_damaged_onnx_with_a_manifest_that_fits(write_model: WriteModel, tmp_path: Path) -> None:
    from unit_edge.manifests.model import sha256_of

    junk = tmp_path / "junk.bin"
    junk.write_bytes(b"\x08" + np.random.default_rng(0).bytes(400))
    path = write_model(sha256=sha256_of(junk))
    junk.replace(path)
    assert "damaged, or no ONNX model of ours" in refused(path)


def test_no_manifest(write_model: WriteModel) -> None:
    path = write_model()
    path.with_suffix(".json").unlink()
    assert "manifest is missing" in refused(path)


def test_the_manifest_of_another_file(write_model: WriteModel) -> None:
    path = write_model(sha256="0" * 64)
    assert "differs from its manifest" in refused(path)


@pytest.mark.parametrize("kind", ["nchw", "float"])
def test_made_for_other_tensors(write_model: WriteModel, kind: str) -> None:
    message = refused(write_model(kind))
    assert "made for other tensors" in message and "expected uint8[N,H,W,3]" in message


def test_a_graph_that_differs_from_its_manifest(write_model: WriteModel) -> None:
    spec = TensorSpec("frame", "uint8", (None, 480, 640, 3))
    out = TensorSpec("translated", "uint8", (None, 480, 640, 3))
    message = refused(write_model(input=spec, output=out))
    assert "uint8[?,?,?,3]" in message and "its manifest says frame uint8[?,480,640,3]" in message


def test_input_and_output_of_two_sizes(write_model: WriteModel) -> None:
    out = TensorSpec("translated", "uint8", (None, 24, 32, 3))
    message = refused(write_model(output=out))
    assert "takes frames of any size and gives 32x24" in message


def test_an_unknown_backend(write_model: WriteModel) -> None:
    with pytest.raises(ConfigError, match="unknown backend 'tpu'; known: auto, onnxruntime"):
        open_runner(write_model(), "tpu")


def test_cuda_that_is_not_there(write_model: WriteModel) -> None:
    ort = pytest.importorskip("onnxruntime")
    if "CUDAExecutionProvider" in ort.get_available_providers():
        pytest.skip("this onnxruntime is built for CUDA")
    with (
        pytest.raises(BackendError, match=r"unit-edge\[gpu\]"),
        open_runner(write_model(), "onnxruntime-cuda"),
    ):
        pass


def test_a_silent_fallback_to_the_cpu_is_an_error(
    write_model: WriteModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    ort = pytest.importorskip("onnxruntime")
    session = ort.InferenceSession
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr("unit_edge.runtime.backends.onnxruntime.gpu.find_gpu", lambda: Gpu("Fake", "8.9"))
    monkeypatch.setattr(
        ort,
        "InferenceSession",
        lambda path, providers, **rest: session(path, providers=providers[-1:], **rest),
    )
    runner = open_runner(write_model(), "onnxruntime-cuda")
    with pytest.raises(BackendError, match="fell back to CPUExecutionProvider"), runner:
        pass


def test_without_onnxruntime_the_error_names_the_extra(write_model: WriteModel) -> None:
    code = (
        "import sys; from pathlib import Path; sys.modules.update(onnxruntime=None, openvino=None)\n"
        "from unit_edge.errors import BackendError\n"
        "from unit_edge.runtime.backends.open import open_runner\n"
        "try: open_runner(Path(sys.argv[1]))\n"
        "except BackendError as error: print(error)\n"
    )
    command = [sys.executable, "-c", code, str(write_model())]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert 'pip install "unit-edge[cpu]"' in done.stdout
    assert 'pip install "unit-edge[gpu]"' in done.stdout


def test_sizes_read_well() -> None:
    assert size_text(TensorSpec("frame", "uint8", (1, 480, 640, 3))) == "640x480"
    assert size_text(TensorSpec("frame", "uint8", (1, None, None, 3))) == "any size"
