"""The command is killed in the middle: what is there is whole, and --resume makes the rest, each once."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from probe import frame_times

pytest.importorskip("fsspec")

CLIPS, FRAMES = 4, 120
MAIN = [sys.executable, "-m", "unit_edge.cli", "fleet", "in", "out", "--workers", "1", "--segment", "1"]


def made(folder: Path) -> dict[str, int]:
    """The clips that have their names, and when they got them."""
    return {path.name: path.stat().st_mtime_ns for path in (folder / "out").glob("*.mp4")}


@pytest.mark.slow
def test_a_killed_command_leaves_whole_clips_and_is_resumed(
    write_clip: Callable[..., Path], write_model: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    for index in range(CLIPS):
        write_clip(f"{index}.mp4", frames=FRAMES, key_every=25).rename(tmp_path / "in" / f"{index}.mp4")
    command = [*MAIN, "--model", str(write_model("slow")), "--backend", "onnxruntime"]
    running = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        until = time.monotonic() + 120
        while not made(tmp_path) and time.monotonic() < until:
            time.sleep(0.1)
        running.send_signal(signal.SIGKILL)
        running.wait(timeout=30)
        before = made(tmp_path)
    finally:
        if running.poll() is None:
            running.kill()
    assert 0 < len(before) < CLIPS
    assert {len(frame_times(tmp_path / "out" / name)) for name in before} == {FRAMES}

    done = subprocess.run(
        [*command, "--resume", "--report", "r.json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    after = made(tmp_path)
    assert sorted(after) == [f"{index}.mp4" for index in range(CLIPS)]
    assert {len(frame_times(tmp_path / "out" / name)) for name in after} == {FRAMES}
    kept = {name for name in before if after[name] == before[name]}
    about = json.loads((tmp_path / "r.json").read_text())["clips"]
    # workers outlive the command for a moment, in which one more clip may have become whole
    assert kept == set(before) and about["failed"] == 0
    assert len(before) <= about["skipped"] <= len(before) + 1
    assert about["done"] + about["skipped"] == CLIPS
    left = [path for path in (tmp_path / "out" / ".unit-edge-fleet").rglob("*") if path.suffix == ".mp4"]
    assert left == []
