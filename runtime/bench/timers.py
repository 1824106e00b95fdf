"""What reading the clock and keeping a frame's times costs: the benchmark's own share of its figures."""

from __future__ import annotations

import statistics
import time

from unit_edge.runtime.frame_times import FrameTimes

_ROUNDS = 11
_FRAMES = 2_000


def seconds_for_a_frame() -> float:
    """Seconds that a frame's six readings of the clock take, and keeping them: the median of some rounds."""
    return statistics.median(_round() for _ in range(_ROUNDS))


def _round() -> float:
    clock = time.perf_counter
    kept: list[FrameTimes] = []
    begin = clock()
    for _ in range(_FRAMES):
        times = FrameTimes(clock(), clock())
        times.infer_from, times.infer_to = clock(), clock()
        times.write_from, times.write_to = clock(), clock()
        kept.append(times)
    return (clock() - begin) / _FRAMES
