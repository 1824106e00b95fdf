"""Disks that are full, on a file system of one MiB: of the destination, and of a worker's scratch."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("fsspec")

SCRIPT = """
import json, sys
import fsspec
from unit_edge.runtime.fleet.items import Item, Work
from unit_edge.runtime.fleet.worker import Worker
clip, model, small, large = sys.argv[1:]
fsspec.filesystem("memory").pipe_file("/a.mp4", bytes(3 * 2**20))
for address, scratch, destination in (("memory://a.mp4", small, large), (clip, large, small)):
    worker = Worker(
        Work(model=model, suffix=".onnx", backend="onnxruntime", scratch=scratch, destination=destination)
    )
    assert worker.open()["error"] == ""
    [outcome] = worker.translate([Item("a.mp4", address, "a.mp4")])
    worker.close()
    print(json.dumps([outcome.error, outcome.hopeless]))
"""


def test_what_is_full_is_named_and_ends_the_run(
    write_clip: Callable[..., Path], write_model: Callable[..., Path], tmp_path: Path
) -> None:
    mount = ["unshare", "-rm", "mount", "-t", "tmpfs", "x", "/mnt"]
    if shutil.which("unshare") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs unshare and the right to mount a tmpfs")
    noise = np.random.default_rng(1).integers(0, 256, (25, 192, 256, 3), np.uint8)
    clip = write_clip(frames=75, size=(256, 192), paint=lambda index: noise[index % 25])
    small, large = tmp_path / "small", tmp_path / "large"
    small.mkdir()
    large.mkdir()
    done = subprocess.run(
        [
            *("unshare", "-rm", "sh", "-c", f'mount -t tmpfs -o size=1m x "{small}"; exec "$@"', "sh"),
            *(sys.executable, "-c", SCRIPT, clip, write_model(), small, large),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    scratch, destination = map(json.loads, done.stdout.splitlines())
    assert scratch == [f"{small}: scratch is on a disk that is full; give --scratch", True]
    assert destination == ["a.mp4: can't be written: No space left on device", True]
    assert [path for path in large.rglob("*") if path.is_file()] == []
