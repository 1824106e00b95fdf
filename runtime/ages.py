"""How old frames are when they are shown, kept in a small space however long it runs."""

from __future__ import annotations

import math

_SHORTEST_S = 1e-3
_STEPS_PER_DOUBLING = 8


class Ages:
    """A histogram of times in seconds, with steps of 9 %, from 1 ms on."""

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self.count = 0
        self.last_s: float | None = None
        self.max_s = 0.0

    def add(self, seconds: float) -> None:
        step = math.ceil(_STEPS_PER_DOUBLING * math.log2(max(seconds, _SHORTEST_S) / _SHORTEST_S))
        self._counts[step] = self._counts.get(step, 0) + 1
        self.count += 1
        self.last_s = seconds
        self.max_s = max(self.max_s, seconds)

    def percentile(self, percent: float) -> float:
        """The age in seconds that so many percent don't exceed, up to 9 % too high; NaN without any."""
        left = self.count * percent / 100
        for step, count in sorted(self._counts.items()):
            left -= count
            if left <= 0:
                return min(self.max_s, float(_SHORTEST_S * 2 ** (step / _STEPS_PER_DOUBLING)))
        return math.nan
