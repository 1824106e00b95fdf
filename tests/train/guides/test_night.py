"""The night guide on a made-up street: what must be dark is dark, what must shine shines."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from street_scene import HORIZON, street

from unit_edge.train.guides.night import NIGHT, night
from unit_edge.train.guides.scene import SceneClass


def rendered(seed: int, without: SceneClass | None = None) -> NDArray[np.float64]:
    image, classes = street(without)
    return night(image, classes, np.random.default_rng(seed)).astype(np.float64)


@pytest.mark.parametrize("seed", range(6))
def test_the_sky_is_black_and_the_road_before_the_car_is_lit(seed: int) -> None:
    picture = rendered(seed)
    sky = np.median(picture[4:20, 80:160])
    ahead = picture[HORIZON + 8 : HORIZON + 24, 90:115].mean()
    assert sky < 40
    assert ahead > sky + 10


def test_the_beam_is_brightest_in_the_middle_of_the_road() -> None:
    differences = []
    for seed in range(8):
        picture = rendered(seed, without=SceneClass.VEHICLE)
        row = picture[HORIZON + 14 : HORIZON + 20].mean((0, 2))
        differences.append(row[118:138].mean() - row[190:210].mean())
    assert min(differences) > 0


def test_lights_that_the_picture_has_shine_in_their_colour() -> None:
    reds, greens = [], []
    for seed in range(8):
        picture = rendered(seed)
        blue, green, red = picture[84:88, 122:126].mean((0, 1))
        reds.append(red - max(blue, green))
        blue, green, red = picture[42:46, 181:185].mean((0, 1))
        greens.append(green - red)
    assert np.median(reds) > 60
    assert np.median(greens) > 60


def test_a_red_wall_does_not_shine() -> None:
    image, classes = street()
    image[30:80, :40] = (30, 30, 200)
    pictures = [night(image, classes, np.random.default_rng(seed)) for seed in range(8)]
    assert np.mean([picture[40:70, 5:35, 2].mean() for picture in pictures]) < 100


def test_what_was_light_in_the_shadow_keeps_its_order() -> None:
    """Surfaces are relit, not repainted: a bright patch of road stays brighter than the road."""
    image, classes = street(without=SceneClass.VEHICLE)
    image[110:116, 100:160] = 230
    picture = night(image, classes, np.random.default_rng(3)).astype(float)
    assert picture[111:115, 110:150].mean() > 1.3 * picture[120:124, 110:150].mean()


def test_what_shines_follows_from_the_picture_and_not_from_chance() -> None:
    """A network gives one picture: of lights that chance turns on it would learn a grey mean."""
    shining = [rendered(seed).max(-1) > 150 for seed in range(5)]
    assert shining[0].sum() > 20
    for other in shining[1:]:
        assert (shining[0] & other).sum() > 0.7 * (shining[0] | other).sum()


def test_what_is_prepared_serves_every_night_of_a_picture_and_stays_what_it_is() -> None:
    image, classes = street()
    prepared = NIGHT.prepare(image, classes)
    prepared.flags.writeable = False  # as what is shared by all workers
    assert prepared.dtype == np.uint8 and prepared.ndim == 3
    for seed in (0, 1):
        expected = night(image, classes, np.random.default_rng(seed))
        assert np.array_equal(NIGHT.render(image, prepared, np.random.default_rng(seed)), expected)
