"""What falls over frames: the same at the same time, and moving steadily."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from unit_edge.errors import ConfigError
from unit_edge.runtime.sinks.weather import Falling, Weather

Image = NDArray[np.uint8]
GREY = np.full((180, 320, 3), 90, np.uint8)
KINDS = [Weather(rain_drops=1), Weather(snowflakes=1)]


@pytest.mark.parametrize("weather", KINDS)
def test_it_is_a_function_of_the_time_and_the_seed(weather: Weather) -> None:
    """So a translation that goes on after a stop shows the same drops, whatever it drew before."""
    first, second = Falling(weather), Falling(weather)
    for time_s in (0.0, 3.2, 1.5):
        first.over(GREY, time_s)
    assert np.array_equal(first.over(GREY, 7.25), second.over(GREY, 7.25))
    other = Falling(Weather(weather.rain_drops, weather.snowflakes, seed=1))
    assert not np.array_equal(other.over(GREY, 7.25), second.over(GREY, 7.25))


@pytest.mark.parametrize("weather", KINDS)
def test_it_falls_over_some_of_the_picture_and_leaves_the_frame_alone(weather: Weather) -> None:
    before = GREY.copy()
    changed = (Falling(weather).over(GREY, 2.0) != GREY).any(2).mean()
    assert np.array_equal(GREY, before)
    assert 0.001 < changed < 0.35
    more = Weather(4 * weather.rain_drops, 4 * weather.snowflakes)
    assert (Falling(more).over(GREY, 2.0) != GREY).any(2).mean() > 1.5 * changed


@pytest.mark.parametrize("weather", KINDS)
def test_what_is_in_the_air_falls_without_jumps(weather: Weather) -> None:
    """Each flake or streak alone, sixty times a second, while it is wholly in the picture."""
    moves = []
    for number in range(8):
        falling = Falling(weather)
        falling._flakes = falling._flakes[number : number + 1]
        falling._streaks = falling._streaks[number : number + 1]
        falling._drops = falling._drops[:0]
        before = None
        for step in range(40):
            light = np.abs(falling.over(GREY, step / 60).astype(float) - 90).sum((1, 2))
            inside = light.max() > 60 and light[:6].max() == 0 == light[-6:].max()
            row = float((np.arange(180) * light).sum() / light.sum()) if inside else None
            if row is not None and before is not None:
                moves.append(row - before)
            before = row
    assert len(moves) > 30
    assert np.mean([move > -0.7 for move in moves]) > 0.9
    assert np.quantile(np.abs(moves), 0.9) < 12


def test_a_drop_shows_the_scene_upside_down() -> None:
    scene = np.zeros((360, 640, 3), np.uint8)
    scene[:180] = 220
    upside_down = 0
    for seed in range(40):
        falling = Falling(Weather(rain_drops=1, seed=seed))
        falling._streaks = falling._streaks[:0]
        difference = falling.over(scene, 2.0).astype(int) - scene
        upside_down += int((difference[:180] < -150).any() and (difference[180:] > 150).any())
    assert upside_down > 20


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (32, 900), (1080, 1920)])
def test_any_size(size: tuple[int, int]) -> None:
    frame = np.full((*size, 3), 60, np.uint8)
    for weather in KINDS:
        assert Falling(weather).over(frame, 1.0).shape == frame.shape


@pytest.mark.parametrize("time_s", [0.0, 1e-9, 3600.0, float(Fraction(10**7, 3))])
def test_any_time(time_s: float) -> None:
    for weather in KINDS:
        assert (Falling(weather).over(GREY, time_s) != GREY).any()


@pytest.mark.parametrize("amount", [-0.1, 4.5, float("nan"), float("inf")])
def test_amounts_out_of_range_are_refused(amount: float) -> None:
    with pytest.raises(ConfigError, match=r"--rain-drops .* expected 0"):
        Weather(rain_drops=amount)
    with pytest.raises(ConfigError, match=r"--snowflakes .* expected 0"):
        Weather(snowflakes=amount)


def test_no_weather_is_false() -> None:
    assert not Weather()
    assert Weather(rain_drops=0.5) and Weather(snowflakes=0.5)
