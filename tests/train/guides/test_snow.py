"""The snow guide on a made-up street: what is white, and that its shading stays."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
from numpy.typing import NDArray
from street_scene import HEIGHT, HORIZON, WIDTH, street

from unit_edge.train.guides.scene import Scene, SceneClass
from unit_edge.train.guides.snow import SnowSettings, on_ground, snow, tracks

SETTINGS = SnowSettings(
    cover=1.0,
    road=1.0,
    trees=0.7,
    level=0.7,
    exposure=0.1,
    sky=0.7,
    clouds=1.0,
    tint=0.0,
    visibility_m=5000.0,
    tracks=0.0,
    grey=0.2,
    noise=0.1,
)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """The settings that the next pictures get."""
    values = asdict(SETTINGS)
    monkeypatch.setattr(SnowSettings, "draw", staticmethod(lambda rng: SnowSettings(**values)))
    return values


def rendered(seed: int = 0, without: SceneClass | None = None) -> NDArray[np.float64]:
    image, classes = street(without)
    return snow(image, classes, np.random.default_rng(seed)).astype(np.float64)


def test_the_ground_is_the_whiter_the_more_snow_there_is(drawn: dict[str, float]) -> None:
    terrain, road = [], []
    for cover in (0.0, 0.4, 1.0):
        drawn["cover"] = cover
        picture = rendered(without=SceneClass.VEHICLE)
        terrain.append(picture[100:130, 235:250].mean())
        road.append(picture[110:140, 90:160].mean())
    assert terrain[0] < terrain[1] < terrain[2]
    assert terrain[2] > terrain[0] + 60
    assert road == sorted(road)
    assert road[2] > road[0] + 40


def test_snow_has_no_colour_of_what_it_covers(drawn: dict[str, float]) -> None:
    image, classes = street()
    image[HORIZON:, 226:] = (20, 160, 60)
    blue, green, red = snow(image, classes, np.random.default_rng(0))[100:130, 235:250].mean((0, 1))
    assert max(blue, green, red) - min(blue, green, red) < 12
    assert min(blue, green, red) > 150


def test_what_was_darker_stays_darker_under_snow(drawn: dict[str, float]) -> None:
    image, classes = street(without=SceneClass.VEHICLE)
    image[112:124, 236:246] = (30, 60, 40)
    picture = snow(image, classes, np.random.default_rng(2)).astype(float)
    dark, beside = picture[114:122, 238:244].mean(), picture[100:108, 238:244].mean()
    assert dark < beside - 5
    assert dark > 0.5 * beside


def test_wheels_leave_two_tracks_a_lane_that_run_to_the_vanishing_point(drawn: dict[str, float]) -> None:
    scene = Scene(*street(without=SceneClass.VEHICLE))
    where = tracks(scene)
    near, far = where[HEIGHT - 6], where[HEIGHT - 40]
    columns = np.arange(WIDTH) - WIDTH / 2
    spread = [np.sqrt((row * columns**2).sum() / row.sum()) for row in (near, far)]
    assert spread[0] > 1.2 * spread[1]
    drawn["tracks"] = 0.0
    without = rendered(without=SceneClass.VEHICLE)
    drawn["tracks"] = 1.0
    cleared = rendered(without=SceneClass.VEHICLE)
    assert cleared[110:140, 60:200].mean() < without[110:140, 60:200].mean() - 3


def test_snow_lies_beside_the_lanes_and_not_before_vehicles(drawn: dict[str, float]) -> None:
    drawn["road"] = 0.3
    picture = rendered()
    row = picture[112:124].mean((0, 2))
    assert row[36:48].mean() > row[90:180].mean() + 40  # at the sidewalk, and where one drives
    behind, without = rendered()[101:104, 122:148], rendered(without=SceneClass.VEHICLE)[101:104, 122:148]
    assert behind.mean() < without.mean() + 10


def test_snow_stays_where_the_road_is_lighter_than_round_it(drawn: dict[str, float]) -> None:
    drawn["road"] = 0.5
    image, classes = street(without=SceneClass.VEHICLE)
    image[100:140:4, 90:170] = 125
    image[102:140:4, 90:170] = 95
    picture = snow(image, classes, np.random.default_rng(1)).astype(float)
    assert picture[112:136:4, 100:160].mean() > picture[114:136:4, 100:160].mean() + 2 * 30


def test_neither_vehicles_nor_the_own_car_are_covered(drawn: dict[str, float]) -> None:
    image, classes = street()
    classes[134:] = 0
    classes[134:, :, SceneClass.VEHICLE] = 255
    image[134:] = 30
    picture = snow(image, classes, np.random.default_rng(0)).astype(float)
    assert picture[138:].mean() < 100
    assert np.median(picture[80:84, 128:142]) < 120


def test_wheels_stay_dark_and_so_does_the_ground_beneath_them(drawn: dict[str, float]) -> None:
    image, classes = street()
    rows, columns = np.nonzero(classes[..., SceneClass.VEHICLE])
    foot, wheels = rows.max(), np.s_[rows.max() - 3 : rows.max() + 1, columns.min() : columns.max() + 1]
    image[wheels] = 25
    classes[wheels] = 0
    classes[wheels][..., SceneClass.VEHICLE] = classes[wheels][..., SceneClass.ROAD] = 127  # hard to tell
    picture = snow(image, classes, np.random.default_rng(0)).astype(float)
    assert picture[wheels].mean() < 70
    beneath = picture[foot + 2, columns.min() + 2 : columns.max() - 1]
    beside = picture[foot + 2, columns.max() + 8 : columns.max() + 16]
    assert beneath.mean() < beside.mean() - 40


def test_roofs_and_treetops_are_white_and_walls_are_not(drawn: dict[str, float]) -> None:
    drawn["trees"] = 0.9
    picture, image = rendered(), street()[0].astype(float)
    assert picture[20:23, 5:35].mean() > picture[50:70, 5:35].mean() + 15
    assert picture[40:70, 225:250].mean() > image[40:70, 225:250].mean() + 40


def test_a_day_without_clouds_keeps_its_sky(drawn: dict[str, float]) -> None:
    drawn["clouds"] = 0.0
    blue, _, red = np.median(rendered()[4:20, 80:160], (0, 1))
    assert blue > red + 15
    drawn["clouds"] = 1.0
    blue, _, red = np.median(rendered()[4:20, 80:160], (0, 1))
    assert abs(blue - red) < 12


def test_nothing_lies_above_the_ground() -> None:
    scene = Scene(*street())
    assert on_ground(scene, SETTINGS)[: HORIZON - 12].max() < 0.05


def test_where_snow_lies_follows_from_the_picture_alone(drawn: dict[str, float]) -> None:
    """A network learns the median of all days: were drifts elsewhere every day, that would be a grey haze."""
    drawn |= {"noise": 0.0, "tracks": 0.5, "road": 0.6}
    one, another = rendered(0), rendered(1)
    assert np.array_equal(one[HORIZON + 12 :], another[HORIZON + 12 :])
    assert one[90:140, 50:190].std() > 12
    assert not np.array_equal(one[:HORIZON], another[:HORIZON])  # its sky is another
