"""No frame of a damaged file is lost in silence, and none of a good one is missed."""

from __future__ import annotations

import random
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from unit_edge.cli.app import app
from unit_edge.errors import SourceError, TruncatedError
from unit_edge.runtime.sources.video import FileSource

FRAMES = 40
FORMATS = {
    "clip.mp4": "libx264",
    "clip.mkv": "libx264",
    "clip.ts": "libx264",
    "clip.flv": "libx264",
    "clip.webm": "libvpx",
    "clip.mpg": "mpeg2video",
}


def painted(index: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(index)
    coarse = np.random.default_rng(0).integers(0, 200, (8, 12, 3)).astype(np.uint8)
    scene = np.roll(coarse.repeat(16, 0).repeat(16, 1), 3 * index, 1)
    return np.asarray(scene + rng.integers(0, 50, scene.shape).astype(np.uint8), np.uint8)


def read(path: Path) -> tuple[int, str]:
    """How many frames there are, and what is said at their end."""
    count = 0
    try:
        with FileSource(path) as source:
            for _ in source:
                count += 1
    except SourceError as error:
        return count, str(error)
    return count, ""


@pytest.mark.parametrize("name", FORMATS)
def test_who_loses_frames_says_so(name: str, write_clip: Callable[..., Path]) -> None:
    clip = write_clip(
        name, frames=FRAMES, size=(192, 128), paint=painted, codec=FORMATS[name], time_base=Fraction(1, 25)
    )
    assert read(clip) == (FRAMES, "")
    content, draw = clip.read_bytes(), random.Random(7)
    for _ in range(12):
        size = draw.choice([8, 64, 500, 4000])
        at = draw.randrange(len(content) // 8, len(content) * 7 // 8)
        clip.write_bytes(content[:at] + draw.randbytes(size) + content[at + size :])
        count, said = read(clip)
        if count < FRAMES and not said:
            (clip.parent / "failed").write_bytes(clip.read_bytes())
        assert count == FRAMES or said, f"{FRAMES - count} frames are gone and nothing is said"


def test_a_damaged_first_frame_is_missed(write_clip: Callable[..., Path]) -> None:
    clip = write_clip(frames=FRAMES, size=(192, 128), paint=painted)
    with av.open(str(clip)) as container:
        first = next(packet for packet in container.demux(video=0) if packet.size)
        at, size = first.pos, first.size
    content = bytearray(clip.read_bytes())
    assert at is not None
    content[at + size // 3 : at + size] = bytes(size - size // 3)
    clip.write_bytes(content)
    count, said = read(clip)
    assert count == FRAMES or said


def test_a_stretch_that_is_cut_out_is_said_with_its_place(
    write_clip: Callable[..., Path], write_model: Callable[..., Path], tmp_path: Path
) -> None:
    clip = write_clip("clip.webm", frames=160, fps=10, size=(96, 64), codec="libvpx")
    content, cluster = bytearray(clip.read_bytes()), bytes.fromhex("1F43B675")
    second = content.index(cluster, content.index(cluster) + 4)
    content[second : second + 40] = bytes(40)
    clip.write_bytes(content)
    with (
        pytest.raises(TruncatedError, match=r"frames are missing, the first at \d+\.\d+ s"),
        FileSource(clip) as source,
    ):
        list(source)
    output = tmp_path / "out.mp4"
    done = CliRunner().invoke(
        app, ["translate", str(clip), "--model", str(write_model()), "-o", str(output), "-q"]
    )
    assert done.exit_code == 1 and "missing" in done.stderr
    assert 0 < read(output)[0] < 160


def test_a_camera_that_paused_has_lost_nothing(write_clip: Callable[..., Path]) -> None:
    times = [Fraction(index + 20 * (index > 15), 25) for index in range(FRAMES)]
    for name in ("clip.mkv", "clip.ts", "clip.mp4"):
        assert read(write_clip(name, times=times, paint=painted, size=(192, 128))) == (FRAMES, "")
