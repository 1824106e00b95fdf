"""Intervals against the distribution that resampling has in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from unit_edge.runtime.check.intervals import ratios, resample


def test_scenes_of_one_box_are_binomial() -> None:
    stats = pytest.importorskip("scipy.stats", reason='needs pip install "unit-edge[check]"')
    # kept in 30 of 40 scenes: the resampled share is Binomial(40, 0.75) / 40
    kept = np.repeat([1, 0], [30, 10])[:, None]
    (figure,) = ratios(kept, np.ones((40, 1)), seed=0)
    assert figure.value == 0.75
    low, high = stats.binom(40, 0.75).ppf([0.025, 0.975]) / 40
    assert figure.low == pytest.approx(low, abs=0.026) and figure.high == pytest.approx(high, abs=0.026)


def test_it_is_scenes_that_are_resampled_not_their_frames() -> None:
    # the same shares from ten times as many alike boxes a scene say no more
    kept, count = np.repeat([1, 0], [15, 5])[:, None], np.ones((20, 1))
    once, alike = ratios(kept, count, seed=1)[0], ratios(10 * kept, 10 * count, seed=1)[0]
    assert once == alike


def test_ratio_of_sums_and_not_mean_of_ratios() -> None:
    top, bottom = np.array([[1], [0], [0], [0], [0], [0]]), np.array([[1], [9], [9], [9], [9], [9]])
    assert ratios(top, bottom, seed=0)[0].value == pytest.approx(1 / 46)


def test_nothing_to_divide_by_and_too_few_scenes() -> None:
    none, few = ratios(np.zeros((9, 2)), np.array([[0, 1]] * 4 + [[0, 0]] * 5), seed=0)
    assert none.value is None and none.low is None
    assert few.value == 0 and few.low is None  # only four scenes have any
    assert ratios(np.ones((4, 1)), np.ones((4, 1)), seed=0)[0].low is None


def test_resamples_are_seeded_and_whole() -> None:
    weights = np.concatenate(list(resample(7, 3, 250)))
    assert weights.shape == (250, 7) and (weights.sum(1) == 7).all()
    assert (weights == np.concatenate(list(resample(7, 3, 250)))).all()
