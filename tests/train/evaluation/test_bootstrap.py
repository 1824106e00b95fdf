"""Intervals against closed forms, explicit loops and the coverage that they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest

from unit_edge.train.evaluation.bootstrap import draw, kernel_distances, mean_of, over_time
from unit_edge.train.evaluation.metrics import kernel_distance


def test_resamples_have_all_sizes_right_and_are_seeded() -> None:
    weights = draw(7, 3)
    assert (weights.sum(1) == 7).all() and (weights >= 0).all()
    assert weights.mean(0) == pytest.approx([1] * 7, abs=0.1)
    assert ((draw(2, 0) > 0).sum(1) == 2).all()
    np.testing.assert_array_equal(weights, draw(7, 3))
    assert (weights != draw(7, 4)).any()


def test_blocks_are_neighbours() -> None:
    weights = draw(12, 0, block=4, resamples=200)
    starts = weights - np.roll(weights, 1, axis=1)
    assert (weights.sum(1) == 12).all()
    assert (np.maximum(starts, 0).sum(1) <= 3).all()


def test_the_interval_of_a_mean_is_the_normal_one_for_many_samples() -> None:
    rng = np.random.default_rng(0)
    values = rng.exponential(2, 900)
    figure = mean_of(list(values), 0)
    half = 1.96 * values.std() / 30
    assert figure.value == pytest.approx(values.mean()) and figure.count == 900
    assert (figure.low, figure.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.02)
    assert mean_of([0.5] * 8, 0).low == mean_of([0.5] * 8, 0).high == pytest.approx(0.5)


def test_too_few_samples_have_no_interval() -> None:
    rng = np.random.default_rng(0)
    few = rng.normal(size=(4, 3))
    clip = over_time([1, 2], [2, 2], [1, 1], [4, 4], 0)
    figures = [mean_of([1, 2, 3, 4], 0), *clip, *kernel_distances(few, few, few, 0)]
    assert [(figure.low, figure.high) for figure in figures] == [(None, None)] * 8
    assert [figure.value for figure in figures[:5]] == [2.5, 1.5, 2, 0.75, 3]


def test_figures_of_a_clip() -> None:
    wave = np.sin(np.arange(100) / 8)
    output, own, ratio, by_contrast = over_time(list(4 + wave), [2.0] * 100, [10.0] * 100, [30.0] * 100, 0)
    assert own.low == own.value == own.high == 2
    assert ratio.value == pytest.approx(output.value / 2)
    assert by_contrast.value == pytest.approx(3 * ratio.value)
    assert output.low is not None and output.high is not None
    alone = mean_of(list(4 + wave), 0)
    assert alone.low is not None and alone.high is not None
    assert output.high - output.low > 1.5 * (alone.high - alone.low), "neighbours are alike"


@pytest.mark.parametrize("contrast", [0.0, 1.0])
def test_a_ratio_to_nothing_is_none(contrast: float) -> None:
    still = over_time([1.0] * 9, [0.0] * 9, [contrast] * 9, [contrast] * 9, 0)
    assert all(math.isnan(figure.value) and figure.low is None for figure in still[2:])


def test_a_kernel_distance_resample_leaves_copies_of_one_image_out() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(5, 3)), rng.normal(1, 1, (6, 3))

    def without_copies(x: np.ndarray, picked: np.ndarray) -> float:
        pairs = [(i, j) for i in picked for j in picked if i != j]
        return float(np.mean([(x[i] @ x[j] / 3 + 1) ** 3 for i, j in pairs]))

    values = []
    for wa, wb in zip(draw(5, 0), draw(6, 1), strict=True):
        i, j = np.repeat(np.arange(5), wa), np.repeat(np.arange(6), wb)
        between = ((a[i] @ b[j].T / 3 + 1) ** 3).mean()
        values.append(without_copies(a, i) + without_copies(b, j) - 2 * between)
    distance, untranslated, ratio = kernel_distances(a, a, b, 0)
    assert distance.value == pytest.approx(kernel_distance(a, b))
    assert (distance.low, distance.high) == pytest.approx(tuple(np.percentile(values, [2.5, 97.5])))
    assert (distance.count, distance.against) == (5, 6)
    assert distance == untranslated
    assert ratio.low == ratio.value == ratio.high == pytest.approx(1), (
        "an image is drawn with its translation"
    )


def test_images_that_are_no_translations_are_drawn_by_themselves() -> None:
    rng = np.random.default_rng(0)
    sources, others, targets = (rng.normal(mean, 1, (n, 3)) for mean, n in ((1, 20), (0, 31), (0, 24)))
    found, untranslated, ratio = kernel_distances(sources, others, targets, 0, paired=False)
    assert found.value == pytest.approx(kernel_distance(others, targets))
    assert untranslated == kernel_distances(sources, sources, targets, 0)[1]
    assert ratio.value == pytest.approx(found.value / untranslated.value)
    assert (found.count, found.against) == (31, 24)
    # of the same domain as the targets: as near as not to be told from 0
    assert found.low is not None and found.high is not None and found.low < 0 < found.high
    own = kernel_distances(sources, sources, targets, 0, paired=False)[2]
    assert own.low is not None and own.high is not None and own.low < 1 < own.high


def test_the_interval_of_a_kernel_distance_holds_the_true_one() -> None:
    """In one dimension the kernel is that of the features 1, √3 x, √3 x², x³: the distance is known."""
    rng = np.random.default_rng(0)

    def moments(mean: float, deviation: float) -> np.ndarray:
        m, s = mean, deviation**2
        return np.array([3**0.5 * m, 3**0.5 * (m**2 + s), m**3 + 3 * m * s])

    true = float(((moments(0.5, 0.7) - moments(0, 0.7)) ** 2).sum())
    held = 0
    for seed in range(80):
        a, b = rng.normal(0.5, 0.7, (30, 1)), rng.normal(0, 0.7, (30, 1))
        figure = kernel_distances(a, a, b, seed)[0]
        assert figure.low is not None and figure.high is not None
        held += figure.low <= true <= figure.high
    assert held >= 80 * 0.85
