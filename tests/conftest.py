"""Tiny models and clips that the tests make for themselves, and the folder of real data."""

from __future__ import annotations

import dataclasses
import gc
import hashlib
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from makers import make_clip, make_model

from unit_edge.manifests.engine import EngineManifest, platform_text, write_pair
from unit_edge.runtime.backends.open import read_model

# what is imported to look whether it is there shall not tell its makers
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # of a shell's background job; those of ours heed it
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, Any, Any]:
    """What a test has started and left, since it failed meanwhile, would run on beside all others."""
    started, start = list[subprocess.Popen[Any]](), subprocess.Popen.__init__

    def noted(process: subprocess.Popen[Any], *given: Any, **named: Any) -> None:
        start(process, *given, **named)
        started.append(process)

    with mock.patch.object(subprocess.Popen, "__init__", noted):
        try:
            return (yield)
        finally:
            for process in started:
                if process.poll() is None:
                    process.kill()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files of mostly slow tests first: begun last, one of them would run on alone, all other cores idle."""
    every = Counter(item.path for item in items)
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: slow[item.path] / every[item.path], reverse=True)


def pytest_collection_finish() -> None:
    """What is imported by now stays: Python need not search it for garbage again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Real clips and images: $UNIT_EDGE_DATA, or shared/data beside the checkout."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    root = Path(os.environ.get("UNIT_EDGE_DATA", beside))
    if not root.is_dir():
        pytest.skip("needs the real data: set UNIT_EDGE_DATA to its folder")
    return root


@pytest.fixture
def write_engine() -> Callable[..., Path]:
    """write_engine(model) → an engine beside it whose manifest fits this machine; TensorRT can't load it."""

    def write(model: Path) -> Path:
        path, content, manifest = model.with_name("m.rtx.engine"), b"an engine", read_model(model)
        about = EngineManifest(
            backend="rtx",
            tensorrt="1.7.1.116",
            gpu=None,
            compute_capability=None,
            platform=platform_text(),
            precision=manifest.precision,
            flags=(),
            profile=((32, 24), (64, 48), (128, 96)),
            bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            onnx=model.name,
            onnx_sha256=manifest.sha256,
            model=dataclasses.asdict(manifest),
            command="unit-edge build m.onnx",
        )
        write_pair(path, content, about)
        return path

    return write


@pytest.fixture
def write_model(tmp_path: Path) -> Callable[..., Path]:
    """write_model(kind, shape=(None, None, None, 3), **manifest fields) → path of a tiny .onnx.

    Kinds: "identity"; "invert" (255 - x); "slow" (blurs that take tens of ms); "fails" (identity,
    and an error in the backend where the first value is 200 or more); "nchw" (identity on
    uint8[N,3,H,W]); "float" (identity on float32).
    """
    return partial(make_model, tmp_path)


@pytest.fixture
def write_clip(tmp_path: Path) -> Callable[..., Path]:
    """write_clip(name, ...) → path of a small clip, written by PyAV alone.

    Args:
        frames: how many.
        size: width and height.
        fps: nominal.
        times: seconds of each frame; index / fps if None.
        paint: index → uint8[H,W,3] BGR; `grey` if None.
        codec, pix_fmt: of the picture.
        audio: codec of a 440 Hz tone of the same length, or None.
        audio_start: seconds by which it starts late.
        rotation: degrees counterclockwise in the display matrix, and whether it is mirrored.
        colour: H.273 (matrix, primaries, transfer, range) tags, and what the picture is converted with.
        key_every: frames from one key frame to the next, at most.
        options: of the container.
    """
    return partial(make_clip, tmp_path)
