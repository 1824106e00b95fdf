"""Which backend is taken because it was the fastest, and what a bad one can't do."""

from __future__ import annotations

import subprocess
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

from unit_edge.errors import BackendError
from unit_edge.manifests.model import Manifest
from unit_edge.registry import resolve_model
from unit_edge.runtime.backends import trial
from unit_edge.runtime.backends.open import open_runner

MODEL = resolve_model("day2night-edge-s")
MANIFEST = Manifest.read(MODEL.with_suffix(".json"))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "unit-edge" / "backends.json"


def never(*_: object, **__: object) -> Any:
    raise AssertionError("tried again")


def test_a_real_backend_wins_over_one_that_fails_and_is_remembered(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backends = ["onnxruntime", "openvino-that-is-not-there"]
    assert trial.fastest(MODEL, MANIFEST, backends) == "onnxruntime"
    assert cache.is_file()
    monkeypatch.setattr(subprocess, "run", never)
    assert trial.fastest(MODEL, MANIFEST, backends) == "onnxruntime"
    cache.write_text("no JSON")
    with pytest.raises(AssertionError, match="tried again"):
        trial.fastest(MODEL, MANIFEST, backends)


def test_the_fastest_is_taken_if_its_frame_is_within_a_level(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {
        "a": {"ms": 9.0, "frame": "0a0a"},
        "wrong": {"ms": 1.0, "frame": "0a0c"},
        "b": {"ms": 2.0, "frame": "0b09"},
        "hangs": None,
    }
    monkeypatch.setattr(trial, "_try", lambda _, backend: answers[backend])
    assert trial.fastest(MODEL, MANIFEST, list(answers)) == "b"


def test_a_backend_that_takes_too_long_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "LIMIT_S", 0.01)
    assert trial.fastest(MODEL, MANIFEST, ["onnxruntime", "openvino"]) == "onnxruntime"


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("fpu avx2 amx_bf16 amx_tile", True),
        ("fpu avx512_bf16", True),
        ("fpu avx2 avx512f not_amx_bf16", False),
    ],
)
def test_bf16_by_the_flags_of_the_processor(tmp_path: Path, flags: str, expected: bool) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor\t: 0\nmodel name\t: X\nflags\t\t: {flags}\n")
    assert trial.has_bf16(cpuinfo) is expected
    assert not trial.has_bf16(tmp_path / "none")


def test_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "has_bf16", lambda: True)
    assert trial.candidates(onnxruntime=True, openvino=True) == ["onnxruntime", "openvino", "openvino-bf16"]
    assert trial.candidates(onnxruntime=True, openvino=False) == ["onnxruntime"]
    monkeypatch.setattr(trial, "has_bf16", lambda: False)
    assert trial.candidates(onnxruntime=False, openvino=True) == ["openvino"]


def test_bf16_on_a_processor_without_it_is_an_error_that_names_the_way_out() -> None:
    pytest.importorskip("openvino")
    if trial.has_bf16():
        with open_runner(MODEL, "openvino-bf16") as runner:
            assert runner.backend.endswith("bf16")
        return
    with pytest.raises(BackendError, match="`--backend openvino`"):
        open_runner(MODEL, "openvino-bf16").__enter__()


@pytest.mark.parametrize("fault", ["hangs", "fails"])
def test_a_compiler_of_bf16_that_hangs_is_given_up_for_fp32(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    """A core that claims bf16 on any processor, and never or badly compiles it; all else is OpenVINO's."""
    openvino = pytest.importorskip("unit_edge.runtime.backends.openvino.runner")
    real, ended = openvino.ov.Core, Event()

    class Core:
        def __init__(self) -> None:
            self.core = real()

        def get_property(self, *_: str) -> list[str]:
            return ["FP32", "BF16"]

        def read_model(self, model: Any) -> Any:
            return self.core.read_model(model)

        def compile_model(self, model: Any, device: str, settings: dict[str, Any]) -> Any:
            if settings["INFERENCE_PRECISION_HINT"] == "bf16":
                if fault == "fails":
                    raise RuntimeError("no such kernel")
                ended.wait(20)
            return self.core.compile_model(model, device, settings)

    frame = np.random.default_rng(0).integers(0, 256, (1, 90, 160, 3), dtype=np.uint8)
    with open_runner(MODEL, "openvino", threads=1) as runner:
        expected = runner.infer(frame)
    monkeypatch.setattr(openvino.ov, "Core", Core)
    monkeypatch.setattr(openvino, "COMPILE_LIMIT_S", 0.2)
    with open_runner(MODEL, "openvino-bf16", threads=1) as runner:
        assert runner.backend.endswith(", bf16")
        if fault == "fails":
            with pytest.raises(BackendError, match="no such kernel"):
                runner.infer(frame)
            return
        assert np.array_equal(runner.infer(frame), expected)
        assert runner.backend.endswith(", fp32")
        assert np.array_equal(runner.infer(frame[:, 1:]), runner.infer(frame[:, 1:]))
    ended.set()
    assert [record.getMessage() for record in caplog.records] == [
        "note: OpenVINO compiled no bf16 in 0.2 s; computing in fp32"
    ]
