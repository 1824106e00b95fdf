"""What reading the clock and keeping a frame's times costs: the benchmark's own share of its figures."""

from __future__ import annotations

import time

from unit_edge.runtime.passage import Passage

READINGS = 6
"""Of the clock for a frame, see `Passage`."""
_FRAMES = 20_000


def seconds_for_a_frame() -> float:
    """Seconds that the timers of one frame take."""
    clock = time.perf_counter
    kept: list[Passage] = []
    begin = clock()
    for _ in range(_FRAMES):
        passage = Passage(clock(), clock())
        passage.infer_from, passage.infer_to = clock(), clock()
        passage.write_from, passage.write_to = clock(), clock()
        kept.append(passage)
    return (clock() - begin) / _FRAMES
