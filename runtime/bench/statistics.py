"""What a list of times is summed up as, and how sure a ratio is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95
_BINS = 40


@dataclass(frozen=True)
class Summary:
    """Times in ms, the slowest included.

    Attributes:
        count: how many there are; with fewer than 100, p99 is nearly the slowest.
        p25, p75: quartiles; `iqr` lies between them.
    """

    count: int
    mean: float
    min: float
    p25: float
    p50: float
    p75: float
    p90: float
    p99: float
    max: float
    iqr: float


def summarise(seconds: Sequence[float]) -> Summary:
    """Sums up times in seconds, of which there is at least one."""
    times = 1e3 * np.asarray(seconds, dtype=np.float64)
    p25, p50, p75, p90, p99 = (float(value) for value in np.percentile(times, (25, 50, 75, 90, 99)))
    return Summary(
        count=len(times),
        mean=float(times.mean()),
        min=float(times.min()),
        p25=p25,
        p50=p50,
        p75=p75,
        p90=p90,
        p99=p99,
        max=float(times.max()),
        iqr=p75 - p25,
    )


@dataclass(frozen=True)
class Histogram:
    """How many times lie between one edge in ms and the next; there is one edge more than counts."""

    edges_ms: tuple[float, ...]
    counts: tuple[int, ...]


def histogram(seconds: Sequence[float]) -> Histogram:
    """The histogram of all times in seconds, from the fastest to the slowest, in bins of one width."""
    counts, edges = np.histogram(1e3 * np.asarray(seconds, dtype=np.float64), bins=_BINS)
    return Histogram(tuple(float(edge) for edge in edges), tuple(int(count) for count in counts))


@dataclass(frozen=True)
class Ratio:
    """The median of ratios, and an interval that holds the true median with a confidence of 95 %.

    Attributes:
        rounds: how many ratios there are.
        low, high: None with fewer than six rounds, which can't be that sure.
    """

    median: float
    low: float | None
    high: float | None
    rounds: int


def ratio_of_rounds(numerators: Sequence[float], denominators: Sequence[float]) -> Ratio:
    """The ratio of pairs that were measured one after the other.

    The interval is between order statistics, by the binomial distribution of how many ratios lie below the
    median (the sign test turned round), so it assumes nothing of how the times are distributed.
    """
    ratios = sorted(a / b for a, b in zip(numerators, denominators, strict=True))
    count = len(ratios)
    below, outside = 0.0, 0
    for rank in range(count // 2):
        below += math.comb(count, rank) / 2**count
        if 2 * below > 1 - CONFIDENCE:
            break
        outside = rank + 1
    low, high = (ratios[outside - 1], ratios[count - outside]) if outside else (None, None)
    return Ratio(median=float(np.median(ratios)), low=low, high=high, rounds=count)


def drift(seconds: Sequence[float]) -> float | None:
    """How much slower the last quarter is than the first, as a share; None with fewer than 16 times."""
    quarter = len(seconds) // 4
    if quarter < 4:
        return None
    return float(np.median(seconds[-quarter:]) / np.median(seconds[:quarter])) - 1
