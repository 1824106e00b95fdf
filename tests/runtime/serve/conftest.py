"""Servers with tiny models and a clip of known colours."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from makers import make_clip, make_model
from serve_server import SIZE, Server, paint

pytest.importorskip("aiohttp", reason="needs the serve extra")


@pytest.fixture(scope="package")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with invert.onnx (plain to inverted), identity.onnx (inverted to plain) and clip.mp4."""
    folder = tmp_path_factory.mktemp("models")
    make_model(folder, "invert", source="plain", target="inverted")
    make_model(folder, "identity", source="inverted", target="plain")
    make_clip(folder, "clip.mp4", frames=75, size=SIZE, paint=paint)
    return folder


@pytest.fixture(scope="package")
def serve(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Server]:
    """serve(*arguments, source=...) → a server that isn't started, in a folder of its own."""

    def make(*arguments: str, source: str | None = None) -> Server:
        given = ["--model", str(models / "invert.onnx"), "--model", str(models / "identity.onnx")]
        folder = tmp_path_factory.mktemp("serve")
        return Server(source or str(models / "clip.mp4"), *given, *arguments, cwd=folder)

    return make


@pytest.fixture(scope="package")
def server(serve: Callable[..., Server]) -> Iterator[Server]:
    """One that several tests share: none leaves it paused, recording or with another model."""
    with serve("--upload-mib", "2") as running:
        yield running
        assert running.stop() == 0
    shutil.rmtree(running.folder, ignore_errors=True)
