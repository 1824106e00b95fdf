"""How sure a share is: percentile intervals from resampled scenes, not frames, which are alike in a scene."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
RESAMPLES = 2000
FEWEST = 5
"""With fewer scenes there is no interval: resamples of so few say little."""

_AT_ONCE = 100


@dataclass(frozen=True)
class Figure:
    """A ratio and how sure it is.

    Attributes:
        value: of all scenes; None where the denominator is 0.
        low: lower end of the interval; None where there is none.
        high: upper end.
    """

    value: float | None
    low: float | None = None
    high: float | None = None

    def as_dict(self) -> dict[str, float | None]:
        return {"value": self.value, "low": self.low, "high": self.high}


def resample(count: int, seed: int, resamples: int = RESAMPLES) -> Iterator[NDArray[np.int64]]:
    """How often each of `count` scenes is in each resample: some int64[n,count], n summing to `resamples`."""
    rng = np.random.default_rng(seed)
    for begin in range(0, resamples, _AT_ONCE):
        yield rng.multinomial(count, np.full(count, 1 / count), size=min(_AT_ONCE, resamples - begin))


def ratios(numerators: NDArray[np.generic], denominators: NDArray[np.generic], seed: int) -> list[Figure]:
    """Sum over scenes of the numerators over that of the denominators, for several figures at once.

    Args:
        numerators: number[S,K], of S scenes and K figures.
        denominators: number[S,K], not below 0.
        seed: of the resamples. The figures share these, so that they may be compared.

    Returns:
        K figures. Resamples in which the denominator is 0 are left out; where these are more than half, or
        there are fewer than FEWEST scenes that have a denominator, there is no interval.
    """
    top, bottom = np.asarray(numerators, np.float64), np.asarray(denominators, np.float64)
    scenes, count = top.shape
    drawn = np.empty((0, count))
    if scenes >= FEWEST:
        with np.errstate(divide="ignore", invalid="ignore"):
            drawn = np.concatenate([(w @ top) / (w @ bottom) for w in resample(scenes, seed)])
    tail = 100 * (1 - CONFIDENCE) / 2
    figures = []
    for place in range(count):
        total = bottom[:, place].sum()
        value = float(top[:, place].sum() / total) if total else None
        good = drawn[:, place][np.isfinite(drawn[:, place])]
        if np.count_nonzero(bottom[:, place]) < FEWEST or 2 * len(good) < len(drawn):
            figures.append(Figure(value))
            continue
        low, high = np.percentile(good, [tail, 100 - tail])
        figures.append(Figure(value, float(low), float(high)))
    return figures
