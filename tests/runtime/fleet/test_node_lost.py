"""A node is lost in the middle: its clips are made by the other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from probe import frame_times

pytest.importorskip("fsspec")


@pytest.mark.slow
def test_the_clips_of_a_lost_node_are_made_elsewhere(
    write_clip: Callable[..., Path], write_model: Callable[..., Path], tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for index in range(8):
        write_clip(f"{index}.mp4", frames=40).rename(folder / f"{index}.mp4")
    script, model = Path(__file__).with_name("two_nodes.py"), write_model("slow")
    # without what a cluster of this process leaves there for its own children
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    with tempfile.TemporaryDirectory(prefix="ue-") as short:  # for sockets are in it
        done = subprocess.run(
            [sys.executable, script, folder, tmp_path / "out", model],
            env={**environment, "RAY_TMPDIR": short, "TMPDIR": short},
            capture_output=True,
            text=True,
            timeout=180,
        )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["done"], told["failed"]) == (8, 0)
    assert told["lost_after"] and told["lost_after"][0] < 8
    assert [len(frame_times(tmp_path / "out" / f"{index}.mp4")) for index in range(8)] == [40] * 8
