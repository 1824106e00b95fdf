"""Which backend is taken because it was the fastest, and what a bad one can't do."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

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
