"""Much at once and much of it, in small; docs/experiments/endurance/load.py has thousands and hours of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from doubles import within
from probe import frame_times, packets

from unit_edge.runtime.pipeline import Stats
from unit_edge.runtime.translate import translate

WriteClip = Callable[..., Path]
WriteModel = Callable[..., Path]
TOGETHER, PICTURES, FRAMES = 3, 300, 600
SIZE = 320, 240
GROWTH_MIB = 8  # of which 37 frames would be more
MEMORY = Path("/proc/self/statm")
linux = pytest.mark.skipif(not MEMORY.exists(), reason="tells a process's memory by /proc")


class Memory:
    """Resident memory while a translation goes on, in MiB, by how many frames are done."""

    def __init__(self) -> None:
        self.seen = dict[int, float]()

    def __call__(self, stats: Stats) -> None:
        pages = int(MEMORY.read_text().split()[1])
        self.seen[stats.frames] = pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def growth(self, of: int) -> float:
        """Of the second half over what it was before."""
        half = max(mib for frames, mib in self.seen.items() if frames <= of / 2)
        return max(self.seen.values()) - half


@pytest.mark.slow
def test_translations_at_once_are_each_as_alone(
    write_clip: WriteClip, write_model: WriteModel, tmp_path: Path
) -> None:
    clip, model = write_clip(frames=50), write_model("invert")
    command = [sys.executable, "-m", "unit_edge.cli", "translate", clip, "--model", model, "-q"]
    outputs = [tmp_path / f"out{number}.mp4" for number in range(TOGETHER)]
    processes = [
        subprocess.Popen([*command, "--backend", "onnxruntime", "-o", output], stderr=subprocess.PIPE)
        for output in outputs
    ]
    try:
        ends = [(process.communicate(timeout=120)[1], process.returncode) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert ends == [(b"", 0)] * TOGETHER
    assert len(frame_times(outputs[0])) == 50
    assert all(packets(output, "video") == packets(outputs[0], "video") for output in outputs)


@linux
def test_a_folder_of_hundreds_of_pictures_takes_no_more_memory_than_one_of_some(
    write_model: WriteModel, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    for index in range(PICTURES):
        image = np.full((SIZE[1], SIZE[0], 3), index % 251, np.uint8)
        assert cv2.imwrite(str(tmp_path / "in" / f"{index:03}.png"), image)
    memory = Memory()
    model = write_model("invert")
    within(120, lambda: translate(tmp_path / "in", tmp_path / "out", model, progress=memory))
    assert memory.growth(PICTURES) < GROWTH_MIB
    for index in range(PICTURES):
        image = cv2.imread(str(tmp_path / "out" / f"{index:03}.png"))
        assert image is not None and (image == 255 - index % 251).all()


@linux
def test_a_long_video_takes_no_more_memory_than_a_short_one(
    write_clip: WriteClip, write_model: WriteModel, tmp_path: Path
) -> None:
    clip, model, memory = write_clip(frames=FRAMES, size=SIZE), write_model(), Memory()
    within(120, lambda: translate(clip, tmp_path / "out.mp4", model, progress=memory))
    assert memory.growth(FRAMES) < GROWTH_MIB
    assert len(frame_times(tmp_path / "out.mp4")) == FRAMES
