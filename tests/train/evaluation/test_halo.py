"""Halos on an edge whose surroundings are known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from unit_edge.train.evaluation.halo import halo

SIZE = 200


def edge() -> NDArray[np.uint8]:
    """Dark on the left, bright on the right."""
    image = np.full((SIZE, SIZE, 3), 60, np.uint8)
    image[:, SIZE // 2 :] = 160
    return image


def test_what_changes_by_colour_alone_has_none() -> None:
    image = edge()
    assert halo(image, image) == 0
    assert halo(image, 255 - image) == 0
    assert halo(image, image // 2) == 0


def test_a_band_beside_the_edge_is_measured_in_levels() -> None:
    """10 levels on one side of two: 5 on average; a band as wide as what is compared is no halo."""
    image = edge()
    near = image.copy()
    near[:, SIZE // 2 : SIZE // 2 + 6] += 10  # near is 2.4 pixels from the edge, far 9
    assert halo(image, near) == pytest.approx(5, abs=0.8)
    far = image.copy()
    far[:, SIZE // 2 : SIZE // 2 + 30] += 10
    assert halo(image, far) == pytest.approx(0, abs=0.1)


def test_a_smeared_change_is_more_of_one_the_wider_it_is() -> None:
    """One side gets darker by 50; where the change runs over the edge by a few pixels it is a halo."""
    image = edge()
    change = np.zeros((SIZE, SIZE), np.float32)
    change[:, SIZE // 2 :] = -50
    values = []
    for sigma in (0.3, 2.0, 4.0):
        smeared = cv2.GaussianBlur(change, (0, 0), sigma)[..., None]
        values.append(halo(image, (image + smeared).round().clip(0, 255).astype(np.uint8)))
    assert values[0] < 0.5
    assert values[0] < values[1] < values[2]


def test_an_even_picture_has_no_edge_and_no_halo() -> None:
    image = np.full((SIZE, SIZE, 3), 90, np.uint8)
    assert halo(image, np.random.default_rng(0).integers(0, 255, image.shape, np.uint8)) == 0
