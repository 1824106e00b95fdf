"""A translation that breaks off, and which frames of a clip a video has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
from probe import frame_number

from unit_edge.runtime.pipeline import Stats

FRAMES, FPS = 60, 5  # at 5 FPS there is a key frame every 10 frames


class Crash(Exception):
    """What ends a run in these tests."""


def crash_at(frame: int) -> Callable[[Stats], None]:
    def progress(stats: Stats) -> None:
        if stats.frames == frame:
            raise Crash

    return progress


def numbers(path: Path) -> list[int]:
    with av.open(str(path)) as container:
        return [frame_number(frame.to_ndarray(format="bgr24")) for frame in container.decode(video=0)]
