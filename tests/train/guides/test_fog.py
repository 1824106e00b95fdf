"""The fog guide on a made-up street: contrast falls with distance, as Koschmieder's model says."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
from numpy.typing import NDArray
from street_scene import HEIGHT, HORIZON, street

from unit_edge.train.guides.fog import FogSettings, fog, halos
from unit_edge.train.guides.scene import FARTHEST, Scene, SceneClass
from unit_edge.train.guides.weather import METRES, hazy, transmission

SETTINGS = FogSettings(
    exposure=0.14,
    visibility_m=100.0,
    airlight=0.6,
    tint=0.0,
    graded=0.1,
    patches=0.0,
    grey=0.3,
    lamps=1.0,
    noise=0.05,
)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """The settings that the next pictures get."""
    values = asdict(SETTINGS)
    monkeypatch.setattr(FogSettings, "draw", staticmethod(lambda rng: FogSettings(**values)))
    return values


def striped() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A street whose road has upright stripes, so that each of its rows has the same contrast."""
    image, classes = street(without=SceneClass.VEHICLE)
    image[HORIZON:, 40:220] = 60
    image[HORIZON:, 40:220:8] = image[HORIZON:, 41:220:8] = 180
    return image, classes


@pytest.mark.parametrize("seed", range(6))
def test_contrast_falls_with_distance(seed: int) -> None:
    picture = fog(*striped(), np.random.default_rng(seed)).astype(float)
    contrast = [picture[row : row + 4, 60:200].std(1).mean() for row in (78, 92, 110, 136)]
    assert contrast == sorted(contrast)
    assert contrast[0] < 0.7 * contrast[-1]


def test_contrast_falls_with_visibility(drawn: dict[str, float]) -> None:
    contrast = []
    for visibility_m in (60.0, 150.0, 450.0):
        drawn["visibility_m"] = visibility_m
        picture = fog(*striped(), np.random.default_rng(0)).astype(float)
        contrast.append(picture[100:120, 60:200].std(1).mean())
    assert contrast == sorted(contrast)
    assert contrast[0] < 0.8 * contrast[2]


def test_what_is_far_is_the_airlight(drawn: dict[str, float]) -> None:
    picture = fog(*street(), np.random.default_rng(0)).astype(float)
    sky, far = picture[60:68, 100:110], picture[HORIZON + 1 : HORIZON + 3, 90:110]
    assert abs(sky.mean() - far.mean()) < 20
    assert abs(sky[..., 0].mean() - sky[..., 2].mean()) < 6


def test_transmission_is_a_twentieth_at_the_visibility() -> None:
    scene = Scene(*street(without=SceneClass.VEHICLE))
    visibility_m = 8 * METRES
    through = transmission(scene, visibility_m)[:, 90:110].mean(1)
    distance = scene.distance[:, 90:110].mean(1)
    rows = np.arange(HORIZON + 8, HEIGHT - 10)
    assert through[rows] == pytest.approx(np.exp(-3 * distance[rows] / 8), abs=0.03)
    assert through[4:16].max() < 1.5 * np.exp(-3 * FARTHEST / 8) + 0.01


def test_haze_is_between_the_light_and_the_air() -> None:
    light, air = np.zeros((4, 5, 3), np.float32), np.ones((4, 5, 3), np.float32)
    assert hazy(light, np.full((4, 5), 0.25, np.float32), air) == pytest.approx(0.75)


def test_lights_have_halos_only_in_fog() -> None:
    lamps = np.zeros((80, 120, 3), np.float32)
    lamps[38:41, 58:61, 2] = 3.0
    thick, clear = (halos(lamps, np.full((80, 120), t, np.float32), 80) for t in (0.3, 1.0))
    beside = np.s_[30:36, 55:64, 2]
    centre = np.s_[39, 59, 2]
    assert thick[beside].mean() / thick[centre] > 1.2 * clear[beside].mean() / clear[centre]
    assert not halos(np.zeros_like(lamps), np.ones((80, 120), np.float32), 80).any()


def test_tail_lights_glow(drawn: dict[str, float]) -> None:
    drawn["visibility_m"] = 200.0
    image, classes = street()
    lit = fog(image, classes, np.random.default_rng(0)).astype(float)
    drawn["lamps"] = 0.0
    dull = fog(image, classes, np.random.default_rng(0)).astype(float)
    assert (lit - dull)[84:88, 122:126, 2].mean() > 30
    assert (lit - dull)[92:98, 122:126, 2].mean() > 1
    assert np.abs(lit - dull)[:30].max() < 2
