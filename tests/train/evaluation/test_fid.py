"""FID's and KID's arithmetic, against Gaussians whose distance is known and a network of a few means."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import scipy.linalg
from numpy.typing import NDArray

from unit_edge.errors import ConfigError
from unit_edge.train.evaluation.fid import fid_and_kid, frechet_distance, inception


def test_it_is_the_formula_of_the_paper() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=(300, 6)) @ rng.normal(size=(6, 6))
    b = rng.normal(size=(200, 6)) @ rng.normal(size=(6, 6)) + 1
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(cov_a @ cov_b).real
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(cov_a + cov_b - 2 * root)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-8)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-8)


def test_one_dimension_by_hand() -> None:
    a, b = np.array([[0.0], [2.0]]), np.array([[5.0], [11.0]])  # variances 2 and 18, means 1 and 8
    assert frechet_distance(a, b) == pytest.approx(7**2 + 2 + 18 - 2 * np.sqrt(2 * 18))


def test_fewer_images_than_features() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(5, 40)), rng.normal(size=(4, 40)) + 2
    assert np.isfinite(frechet_distance(a, b))
    assert frechet_distance(a, b) > 100
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-5)


def test_images_go_through_the_network() -> None:
    def means(image: NDArray[np.uint8]) -> NDArray[np.float64]:
        return np.append(image.mean((0, 1)), image.std()) / 255

    rng = np.random.default_rng(2)
    dark = [rng.integers(0, 60, (8, 9, 3)).astype(np.uint8) for _ in range(30)]
    light = [rng.integers(180, 255, (8, 9, 3)).astype(np.uint8) for _ in range(30)]
    fid, kid = fid_and_kid(dark, light, means)
    near, near_kid = fid_and_kid(dark[:15], dark[15:], means)
    assert fid > 50 * abs(near)
    assert kid > 50 * abs(near_kid)


def test_the_extra_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cleanfid", None)
    monkeypatch.setitem(sys.modules, "cleanfid.features", None)
    with pytest.raises(ConfigError, match=r"unit-edge\[fid\]"):
        inception()
