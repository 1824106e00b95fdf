"""Ages of frames against numpy's percentiles."""

from __future__ import annotations

import math

import numpy as np

from unit_edge.runtime.ages import Ages


def test_percentiles_are_numpys_up_to_a_step() -> None:
    values = np.random.default_rng(0).lognormal(-2, 1, 5000)
    ages = Ages()
    for value in values:
        ages.add(float(value))
    for percent in (1, 50, 95, 100):
        theirs = float(np.percentile(values, percent))
        assert theirs * 0.99 <= ages.percentile(percent) <= theirs * 1.1
    assert ages.max_s == values.max() == ages.percentile(100)
    assert (ages.count, ages.last_s) == (5000, values[-1])


def test_none_and_next_to_nothing() -> None:
    ages = Ages()
    assert math.isnan(ages.percentile(50)) and ages.last_s is None
    ages.add(0.0)
    assert ages.percentile(50) == 0.0
