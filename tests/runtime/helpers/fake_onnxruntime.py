"""ONNX Runtime with sessions on the CPU in the place of a GPU's."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import onnxruntime as ort
import pytest

from unit_edge.machine.gpu import Gpu
from unit_edge.runtime.backends.onnxruntime import gpu
from unit_edge.runtime.backends.onnxruntime.session import CPU, CUDA, TENSORRT


class Opened:
    """What sessions were opened with, and what of it is refused."""

    def __init__(self) -> None:
        self.asked: list[dict[str, dict[str, str]]] = []
        self.sizes: list[list[Any]] = []
        self.refuses: Callable[[dict[str, dict[str, str]]], str] = lambda _: ""
        self.builds = True
        self._session = ort.InferenceSession

    def __call__(self, model: Path, *, providers: Sequence[Any], **rest: Any) -> Any:
        asked = dict((one, {}) if isinstance(one, str) else one for one in providers)
        session = self._session(model, providers=[CPU], **rest)
        if set(asked) == {CPU}:
            return session
        self.asked.append(asked)
        self.sizes.append(session.get_inputs()[0].shape)
        if text := self.refuses(asked):
            raise RuntimeError(text)
        engines = asked.get(TENSORRT, {}).get("trt_engine_cache_path")
        if engines and self.builds and not list(Path(engines).glob("*.engine")):
            (Path(engines) / "graph_sm89.engine").write_bytes(os.urandom(20))
        session.get_providers = lambda: list(asked)
        return session


def install(monkeypatch: pytest.MonkeyPatch, cache: Path) -> Opened:
    """Has our source find a GPU and an onnxruntime for it, for one test; engines are kept in `cache`."""
    opened = Opened()
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "1")
    monkeypatch.setattr(ort, "InferenceSession", opened)
    monkeypatch.setattr(ort, "get_available_providers", lambda: [TENSORRT, CUDA, CPU])
    monkeypatch.setattr(gpu, "find_gpu", lambda: Gpu("Fake", "8.9"))
    monkeypatch.setattr(gpu, "_DEVICE", "cpu")
    return opened
