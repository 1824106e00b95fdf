"""What every guide does: one picture a generator state, of any size, whatever is missing."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from street_scene import street

from unit_edge.train.guides import RENDERERS
from unit_edge.train.guides.scene import SceneClass


@pytest.mark.parametrize("guide", sorted(RENDERERS))
def test_the_same_generator_gives_the_same_picture(guide: str) -> None:
    image, classes = street()
    before = image.copy(), classes.copy()
    first, again, other = (RENDERERS[guide](image, classes, np.random.default_rng(s)) for s in (5, 5, 6))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.array_equal(image, before[0])
    assert np.array_equal(classes, before[1])


@pytest.mark.parametrize("guide", sorted(RENDERERS))
@pytest.mark.parametrize("size", [(64, 48), (48, 64), (33, 127), (512, 288)])
def test_any_size(guide: str, size: tuple[int, int]) -> None:
    image, classes = street()
    picture = RENDERERS[guide](cv2.resize(image, size).astype(np.uint8), classes, np.random.default_rng(0))
    assert picture.shape == (size[1], size[0], 3)
    assert picture.dtype == np.uint8


@pytest.mark.parametrize("guide", sorted(RENDERERS))
@pytest.mark.parametrize("part", SceneClass)
def test_any_part_may_be_missing(guide: str, part: SceneClass) -> None:
    image, classes = street(without=part)
    picture = RENDERERS[guide](image, classes, np.random.default_rng(1))
    assert picture.shape == image.shape


@pytest.mark.parametrize("guide", sorted(RENDERERS))
def test_a_picture_of_nothing_known(guide: str) -> None:
    image = np.full((72, 128, 3), 128, np.uint8)
    picture = RENDERERS[guide](
        image, np.zeros((72, 128, len(SceneClass)), np.uint8), np.random.default_rng(0)
    )
    assert picture.shape == image.shape


@pytest.mark.parametrize("guide", ["rain", "fog"])
@pytest.mark.parametrize("seed", range(6))
def test_the_sky_of_bad_weather_is_grey(guide: str, seed: int) -> None:
    image, classes = street()
    sky = RENDERERS[guide](image, classes, np.random.default_rng(seed))[4:20, 80:160].astype(float)
    blue, _, red = np.median(sky, (0, 1))
    assert abs(blue - red) < 35
    assert np.median(sky) > 130
