"""Masks, horizon and distance of a made-up street whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from street_scene import HEIGHT, HORIZON, WIDTH, street

from unit_edge.train.guides.light import bloom, blurred, exposed, luminance, to_linear, to_srgb
from unit_edge.train.guides.scene import FARTHEST, Scene, SceneClass


def test_srgb_there_and_back() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(1, 256, 1).repeat(3, 2)
    assert np.array_equal(to_srgb(to_linear(levels)), levels)


def test_linear_light_is_that_of_the_standard() -> None:
    image = np.array([[[0, 10, 188]]], np.uint8)
    expected = [0, 10 / 255 / 12.92, ((188 / 255 + 0.055) / 1.055) ** 2.4]
    assert to_linear(image)[0, 0] == pytest.approx(expected, rel=1e-5)


def test_exposure_sets_the_mean_of_a_region() -> None:
    rng = np.random.default_rng(0)
    light, where = rng.random((20, 30, 3), np.float32), np.zeros((20, 30), np.float32)
    where[:10] = 1
    assert luminance(exposed(light, where, 0.18))[:10].mean() == pytest.approx(0.18, rel=1e-4)


@pytest.mark.parametrize("sigma", [1.0, 5.0, 14.0])
def test_a_blur_keeps_the_light(sigma: float) -> None:
    spot = np.zeros((120, 160, 3), np.float32)
    spot[60, 80] = 100
    assert blurred(spot, sigma).sum() == pytest.approx(300, rel=0.05)
    assert bloom(spot, 1.0).sum() > spot.sum()


def test_the_horizon_is_where_the_road_begins() -> None:
    scene = Scene(*street())
    assert scene.horizon == pytest.approx(HORIZON / HEIGHT, abs=0.03)
    assert Scene(*street(without=SceneClass.ROAD)).horizon == 0.5


def test_the_sky_is_far_and_the_road_comes_nearer_downwards() -> None:
    scene = Scene(*street(without=SceneClass.VEHICLE))
    assert np.median(scene.distance[4:16, 90:170]) == pytest.approx(FARTHEST, rel=0.05)
    column = scene.distance[HORIZON + 4 :, WIDTH // 2]
    assert (np.diff(column) <= 1e-5).all()
    assert column[-1] == pytest.approx(1, abs=0.02)


def test_a_vehicle_is_as_far_as_the_road_that_it_stands_on() -> None:
    scene = Scene(*street())
    assert np.median(scene.distance[80:96, 130:140]) == pytest.approx(scene.distance[102, 135], rel=0.15)


def test_vehicles_are_told_from_the_own_bonnet() -> None:
    image, classes = street()
    classes[130:] = 0
    classes[130:, :, SceneClass.VEHICLE] = 255
    scene = Scene(image, classes)
    assert scene.own_car[135:].min() == 1
    assert [(left, top) for left, top, _, _ in scene.vehicles] == [(120, 76)]


def test_what_joins_the_bonnet_is_not_all_the_own_car() -> None:
    image, classes = street(without=SceneClass.VEHICLE)
    classes[130:] = 0
    classes[130:, :, SceneClass.VEHICLE] = 255
    classes[80:130, :60] = 0
    classes[80:130, :60, SceneClass.VEHICLE] = 255
    scene = Scene(image, classes)
    assert scene.own_car[132:].min() == 1
    assert scene.own_car[:115].max() == 0


@pytest.mark.parametrize("part", [SceneClass.ROAD, SceneClass.VEHICLE])
def test_a_blue_sky_that_was_taken_for_something_else_is_sky(part: SceneClass) -> None:
    image, classes = street()
    image[:HORIZON, 80:170] = (240, 150, 90)
    classes[:50, 80:120] = 0
    classes[:50, 80:120, part] = 255
    scene = Scene(image, classes)
    assert scene.sky[5:45, 85:115].mean() > 0.9
    assert scene.horizon == pytest.approx(HORIZON / HEIGHT, abs=0.03)


def test_a_wall_that_reaches_the_top_is_no_sky() -> None:
    image, classes = street()
    image[:80, :40] = (190, 190, 190)
    classes[:80, :40] = 0
    classes[:80, :40, SceneClass.BUILDING] = 255
    assert Scene(image, classes).sky[10:70, 5:30].max() < 0.1


def test_the_ground_is_not_above_the_horizon_and_is_no_sky() -> None:
    image, classes = street()
    image[HORIZON:, 100:110] = (230, 190, 150)
    scene = Scene(image, classes)
    assert not scene.ground[: HORIZON - 6].any()
    assert scene.sky[scene.ground].max() == 0


def test_what_reaches_high_is_near() -> None:
    """A tree whose foot nobody sees can't be as far as the horizon if it fills half of the picture."""
    image, classes = street(without=SceneClass.BUILDING)
    classes[:HORIZON] = 0
    classes[:HORIZON, :, SceneClass.VEGETATION] = 255
    scene = Scene(image, classes)
    assert scene.distance[4, 100] < 12
    assert scene.distance[HORIZON - 6, 100] > 2 * scene.distance[4, 100]


def test_the_road_vanishes_where_its_far_end_is() -> None:
    image, classes = street(without=SceneClass.VEHICLE)
    assert abs(Scene(image, classes).vanishing) < 0.15
    classes[HORIZON : HORIZON + 20, : WIDTH // 2] = 0
    assert Scene(image, classes).vanishing > 0.2
