"""The rain guide on a made-up street: what the wet road mirrors, and where."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from street_scene import HEIGHT, HORIZON, WIDTH, street

from unit_edge.train.guides.light import luminance, to_linear
from unit_edge.train.guides.rain import RainSettings, mirrored, rain, reflectance, wet_ground
from unit_edge.train.guides.scene import Scene, SceneClass

SEEDS = range(6)


def rendered(seed: int) -> NDArray[np.float64]:
    image, classes = street()
    return rain(image, classes, np.random.default_rng(seed)).astype(np.float64)


def settings_of(seed: int) -> tuple[RainSettings, np.random.Generator]:
    rng = np.random.default_rng(seed)
    return RainSettings.draw(rng), rng


def test_what_stands_is_flipped_about_its_foot() -> None:
    """A red stripe 10 rows above the vehicle's foot is mirrored 10 rows below it."""
    image, classes = street()
    image[88:92, 120:150] = (0, 0, 255)
    scene = Scene(image, classes)
    mirror = mirrored(scene, scene.light, 0.005)
    redness = (mirror[..., 2] - mirror[..., 0])[101:, 130:140].mean(1)
    assert 101 + int(redness.argmax()) == pytest.approx(2 * 100 - 90, abs=2)


def test_the_sky_is_flipped_about_the_horizon() -> None:
    image, classes = street(without=SceneClass.VEHICLE)
    image[40:44] = 255
    image[44:48] = 0
    scene = Scene(image, classes)
    column = luminance(mirrored(scene, scene.light, 0.005))[HORIZON + 4 : HEIGHT - 4, 90:110].mean(1)
    middle = HORIZON + 4 + (int(column.argmax()) + int(column.argmin())) / 2
    assert middle == pytest.approx(2 * HORIZON - 44, abs=4)


def test_the_mirror_is_blurred_downwards_more_than_across() -> None:
    image, classes = street(without=SceneClass.VEHICLE)
    light = np.zeros_like(Scene(image, classes).light)
    light[30:34, 126:130] = 1
    below = mirrored(Scene(image, classes), light, 0.06)[HORIZON:, :, 0]
    rows, columns = np.mgrid[: below.shape[0], : below.shape[1]]
    share = below / below.sum()
    spread = [np.sqrt((share * (axis - (share * axis).sum()) ** 2).sum()) for axis in (rows, columns)]
    assert spread[0] > 2 * spread[1]


@pytest.mark.parametrize("seed", SEEDS)
def test_only_the_ground_is_wet_and_the_far_road_mirrors_most(seed: int) -> None:
    settings, rng = settings_of(seed)
    settings = replace(settings, puddles=0.0)
    scene = Scene(*street())
    wet = wet_ground(scene, settings, rng)
    share = reflectance(scene, settings, wet, rng)
    assert wet[: HORIZON - 12].max() < 0.02
    assert wet[80:94, 126:144].max() < 0.3  # the vehicle
    assert share.min() >= 0
    assert share.max() < 1
    means = [share[row : row + 6, 40:115].mean() for row in (82, 98, 114, 132)]
    assert sum(means[:2]) > 1.2 * sum(means[2:])
    assert means[0] > 1.3 * means[-1]


@pytest.mark.parametrize("seed", SEEDS)
def test_water_darkens_the_road_where_it_mirrors_something_dark(seed: int) -> None:
    image, classes = street(without=SceneClass.VEHICLE)
    settings = settings_of(seed)[0]
    wet = wet_ground(Scene(image, classes), settings, np.random.default_rng(0))
    assert wet[110:140, 100:150].mean() > 0.2
    image[:HORIZON] = 20
    classes[:HORIZON] = 0
    classes[:HORIZON, :, SceneClass.BUILDING] = 255
    picture = rain(image, classes, np.random.default_rng(seed)).astype(float)
    dry = classes.copy()
    dry[HORIZON:] = 0
    compared = rain(image, dry, np.random.default_rng(seed)).astype(float)
    assert picture[125:140, 100:150].mean() < compared[125:140, 100:150].mean()


def test_tail_lights_are_mirrored_on_the_road() -> None:
    differences = []
    for seed in range(8):
        picture = rendered(seed)
        redness = picture[..., 2] - picture[..., 1]
        differences.append(redness[108:120, 121:127].mean() - redness[108:120, 131:139].mean())
    assert np.median(differences) > 1


def test_contrast_goes_with_distance_without_a_band() -> None:
    """No row of the road differs from the next by more than haze and mirror that grow with distance do."""
    image, classes = street(without=SceneClass.VEHICLE)
    image[HORIZON:] = 90
    for seed in SEEDS:
        picture = rain(image, classes, np.random.default_rng(seed)).astype(float)
        rows = picture[HORIZON + 6 : HEIGHT - 2, WIDTH // 2 - 30 : WIDTH // 2 + 30].mean((1, 2))
        assert np.abs(np.diff(rows)).max() < 24


@pytest.mark.parametrize("seed", SEEDS)
def test_lane_markings_stay_to_be_seen_under_water(seed: int) -> None:
    """Weber contrast of a white line with the road beside it; 1.2 to 1.5 if water filled the paint, too."""
    image, classes = street(without=SceneClass.VEHICLE)
    image[HORIZON + 8 :, 100:104] = 230
    line, beside = np.s_[90:140, 101:103], np.s_[90:140, 108:112]

    def contrast(picture: NDArray[np.uint8]) -> float:
        light = luminance(to_linear(picture))
        return float(light[line].mean() / light[beside].mean()) - 1

    wet = rain(image, classes, np.random.default_rng(seed))
    assert contrast(wet) > 1.6


def test_a_drawn_rain_is_within_its_ranges() -> None:
    drawn = [settings_of(seed)[0] for seed in range(50)]
    assert all(4000 <= s.visibility_m <= 12000 for s in drawn)
    assert all(0.7 <= s.wetness <= 0.9 and 0.08 <= s.puddles <= 0.16 for s in drawn)
