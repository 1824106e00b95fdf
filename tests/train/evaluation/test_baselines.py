"""Baselines on images whose colours are known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from unit_edge.train.evaluation.baselines import colour_transfer, guide_itself, histogram_match
from unit_edge.train.evaluation.metrics import stray_chroma
from unit_edge.train.guides.guide import Guide

Image = NDArray[np.uint8]


def noise(seed: int, low: int, high: int, size: tuple[int, int] = (60, 80)) -> Image:
    return np.random.default_rng(seed).integers(low, high, (*size, 3)).astype(np.uint8)


def test_a_matched_histogram_is_the_targets() -> None:
    targets = [noise(1, 10, 60), noise(2, 40, 90, (40, 50))]
    matched = histogram_match(targets)(noise(3, 100, 250, (300, 400)))
    # each target counts alike, whatever its size
    weighted = np.concatenate([np.repeat(targets[0].ravel(), 5), np.repeat(targets[1].ravel(), 12)])
    assert np.quantile(matched, (0.1, 0.5, 0.9)) == pytest.approx(
        np.quantile(weighted, (0.1, 0.5, 0.9)), abs=2
    )


def test_matching_keeps_the_order_of_the_levels() -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(1, 256, 1).repeat(3, 2)
    matched = histogram_match([noise(1, 0, 120)])(ramp).astype(int)
    assert (np.diff(matched, axis=1) >= 0).all()


def test_transfer_gives_the_targets_mean_and_deviation() -> None:
    target = np.clip(np.random.default_rng(0).normal((60, 70, 90), 12, (80, 90, 3)), 0, 255).astype(np.uint8)
    image = np.clip(np.random.default_rng(1).normal((150, 140, 130), 25, (70, 60, 3)), 0, 255).astype(
        np.uint8
    )

    def lab(picture: Image) -> NDArray[np.float64]:
        return cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_BGR2LAB).reshape(-1, 3).astype(float)

    moved = lab(colour_transfer([target])(image))
    assert moved.mean(0) == pytest.approx(lab(target).mean(0), abs=1)
    assert moved.std(0) == pytest.approx(lab(target).std(0), rel=0.1)


def test_the_guide_is_asked_with_its_classes_and_one_seed() -> None:
    guide = Guide(
        lambda image, classes, rng: (image + classes + rng.integers(9)).astype(np.uint8),
        lambda image: np.full_like(image, 100),
    )
    image = noise(0, 0, 50)
    once, again = guide_itself(guide, 4)(image), guide_itself(guide, 4)(image)
    assert np.array_equal(once, again)
    assert np.array_equal(once, image + 100 + np.random.default_rng(4).integers(9).astype(np.uint8))


def test_a_change_of_light_leaves_no_stray_chroma_and_a_patch_does() -> None:
    rows = np.linspace(40, 200, 108)[:, None, None]
    image = (rows + np.random.default_rng(0).normal(0, 12, (108, 192, 3))).clip(0, 255).astype(np.uint8)
    warm = (image * np.array([0.5, 0.6, 0.8])).astype(np.uint8)
    patched = warm.copy()
    patched[40:70, 60:100] = (patched[40:70, 60:100] * np.array([0.4, 1.0, 0.9])).astype(np.uint8)
    assert stray_chroma(image, image) < 0.5
    assert stray_chroma(image, warm) < 1
    assert stray_chroma(image, patched) > 3 * stray_chroma(image, warm)
