"""Which backend `auto` takes, and that people are told."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import cli_output as cli

from unit_edge.errors import BackendError
from unit_edge.runtime.backends.choice import Installed, choose_backend
from unit_edge.runtime.backends.open import open_runner, read_model

WriteModel = Callable[..., Path]
ORT, GPU_ORT, BOTH = (
    Installed(onnxruntime=True),
    Installed(onnxruntime=True, for_gpus=True, gpu=True),
    Installed(onnxruntime=True, openvino=True),
)


@pytest.mark.parametrize(
    ("installed", "precision", "backend", "reason"),
    [
        (ORT, "fp32", "onnxruntime", "no NVIDIA GPU"),
        (ORT, "int8", "onnxruntime", "nor OpenVINO"),
        (BOTH, "fp32", "onnxruntime", "no NVIDIA GPU"),
        (BOTH, "int8", "openvino", "faster than onnxruntime with int8"),
        (GPU_ORT, "fp16", "onnxruntime-cuda", "there is an NVIDIA GPU"),
        (Installed(onnxruntime=True, for_gpus=True), "fp32", "onnxruntime", "no NVIDIA GPU"),
        (Installed(onnxruntime=True, gpu=True), "fp32", "onnxruntime", "though there is an NVIDIA GPU"),
        (
            Installed(onnxruntime=True, for_gpus=True, gpu=True, lacking="libcudnn.so.9: no such file"),
            "fp32",
            "onnxruntime",
            "can't use it: libcudnn.so.9",
        ),
        (Installed(openvino=True), "fp32", "openvino", "onnxruntime is not installed"),
    ],
)
def test_auto(
    write_model: WriteModel, installed: Installed, precision: str, backend: str, reason: str
) -> None:
    manifest = read_model(write_model(precision=precision))
    taken, why = choose_backend(manifest, is_engine=False, installed=installed)
    assert taken == backend and reason in why
    assert choose_backend(manifest, is_engine=True, installed=installed)[0] == "tensorrt"


def test_nothing_to_take_names_the_extra(write_model: WriteModel) -> None:
    with pytest.raises(BackendError, match=r"unit-edge\[cpu\]"):
        choose_backend(read_model(write_model()), is_engine=False, installed=Installed())


def test_int8_runs_by_openvino_where_it_is_and_by_onnxruntime_else(
    write_model: WriteModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = write_model(precision="int8", int8={"for": "cpu"})
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "openvino", None)
        with open_runner(model) as runner:
            assert runner.backend.startswith("onnxruntime ")
    pytest.importorskip("openvino")
    with open_runner(model) as runner:
        assert runner.backend.startswith("openvino ")


def test_translate_says_which_and_why(
    write_model: WriteModel, write_clip: Callable[..., Path], tmp_path: Path
) -> None:
    clip, model = write_clip(frames=3), write_model("invert")
    code, output = cli("translate", clip, "--model", model, "-o", tmp_path / "a.mp4", "--backend", "auto")
    assert code == 0
    assert output.count("\n") == 1 and " with invert (onnxruntime " in output and "; " in output
    code, output = cli(
        "translate", clip, "--model", model, "-o", tmp_path / "b.mp4", "--backend", "onnxruntime"
    )
    assert code == 0 and output.endswith(", CPU)\n")


QUICK = "--size", "32x24", "--frames", "1", "--warm-up", "0", "--no-peak"


def reason_in(output: str) -> str:
    return str(json.loads(output.splitlines()[-1])["rows"][0]["backend_reason"])


def test_bench_says_why(write_model: WriteModel) -> None:
    _, output = cli("bench", write_model(), *QUICK, "--backend", "onnxruntime")
    assert reason_in(output) == "asked for"
    _, output = cli("bench", write_model(), *QUICK)
    assert reason_in(output) not in ("", "asked for")


def test_int8_for_tensorrt_on_a_cpu_gets_a_note(write_model: WriteModel) -> None:
    model = write_model(precision="int8", int8={"for": "tensorrt"})
    arguments = *QUICK, "--backend"
    _, output = cli("bench", model, *arguments, "onnxruntime")
    assert output.startswith("note: this int8 model is made for TensorRT and slower than fp32")
    pytest.importorskip("openvino")
    assert "note:" not in cli("bench", model, *arguments, "openvino")[1]
