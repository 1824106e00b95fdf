"""Runs something until it takes as long as before: memory is acquired then, clocks have settled."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

TOLERANCE = 0.03
"""By which the medians of two windows that follow each other may differ."""
_WINDOW_CALLS = 4
_WINDOW_S = 0.25
_LEAST_CALLS = 2


@dataclass(frozen=True)
class WarmUp:
    """What came before the measurement, and is no part of it.

    Attributes:
        stable: whether two windows agreed before the time was up.
    """

    calls: int
    seconds: float
    stable: bool


def warm_up(
    call: Callable[[], object], *, limit_s: float, clock: Callable[[], float] = time.perf_counter
) -> WarmUp:
    """Calls until the medians of two windows agree, or `limit_s` is over; at least twice.

    A window is as many calls as it takes for four of them and for a quarter of a second.
    """
    begin = mark = clock()
    before: float | None = None
    window: list[float] = []
    calls = 0
    while True:
        call()
        now = clock()
        window.append(now - mark)
        calls, mark = calls + 1, now
        if len(window) >= _WINDOW_CALLS and sum(window) >= _WINDOW_S:
            middle = median(window)
            if before is not None and abs(middle / before - 1) <= TOLERANCE:
                return WarmUp(calls, now - begin, True)
            before, window = middle, []
        if calls >= _LEAST_CALLS and now - begin >= limit_s:
            return WarmUp(calls, now - begin, False)
