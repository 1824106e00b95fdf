"""What falls: raindrops on the glass with streaks in the air, or snowflakes, over translated frames.

A network that translates single frames can't draw what moves by itself from frame to frame. Here where each
drop and flake is depends on its number, a seed and the frame's time alone, so that it moves steadily, and a
translation that goes on after a stop shows the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from unit_edge.errors import ConfigError
from unit_edge.frames import Frame
from unit_edge.runtime.sinks.base import FrameSink
from unit_edge.runtime.sinks.passing import PassingSink

Image = NDArray[np.uint8]
Floats = NDArray[np.float64]

_SHRUNK = 4
"""How much smaller a drop shows the scene than it would in focus: the camera looks through it."""
_SUBPIXEL = 4  # bits of a pixel that OpenCV draws with


@dataclass(frozen=True)
class Weather:
    """How much rain and snow falls.

    Attributes:
        rain_drops: 0 for none, 1 for as many drops and streaks as on a wet drive, up to 4.
        snowflakes: 0 for none, 1 for steady snowfall, up to 4.
        seed: which drops and flakes.
    """

    rain_drops: float = 0.0
    snowflakes: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value in (("--rain-drops", self.rain_drops), ("--snowflakes", self.snowflakes)):
            if not 0 <= value <= 4:
                raise ConfigError(f"{name} {value:g}: expected 0 (none) to 4 (four times the usual)")

    def __bool__(self) -> bool:
        return self.rain_drops > 0 or self.snowflakes > 0


class Falling:
    """Draws the weather over frames; it keeps no state but what the seed gives."""

    def __init__(self, weather: Weather) -> None:
        """Draws where all begins from the weather's seed."""
        rng = np.random.default_rng(weather.seed)
        self._flakes = rng.random((round(420 * weather.snowflakes), 6))
        self._streaks = rng.random((round(160 * weather.rain_drops), 6))
        self._drops = rng.random((round(45 * weather.rain_drops), 6))
        self._seed = weather.seed

    def over(self, image: Image, time_s: float) -> Image:
        """A frame with what falls at that time.

        Args:
            image: uint8[H,W,3], BGR; not changed.
            time_s: the frame's time in seconds.

        Returns:
            uint8[H,W,3], an array of its own.
        """
        out = image.copy()
        if len(self._flakes):
            self._snow(out, time_s)
        if len(self._streaks):
            self._rain(out, time_s)
        if len(self._drops):
            height, width = image.shape[:2]
            size = max(1, width // _SHRUNK), max(1, height // _SHRUNK)
            scene = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
            for number, drop in enumerate(self._drops):
                self._drop(out, scene, number, drop, time_s)
        return np.asarray(out, np.uint8)

    def _snow(self, out: Image, time_s: float) -> None:
        height, width = out.shape[:2]
        x, y, depth, sway, speed, phase = self._flakes.T
        near = 1 / (0.25 + 3 * depth)
        # towards a moving camera flakes also run apart from the middle, the nearer the faster
        age = (phase + time_s * (0.25 + 0.5 * speed) * (0.3 + near)) % 1
        apart = 0.5 + 1.3 * age * near / near.max()
        across = 0.5 + (x - 0.5) * 2 * apart + 0.015 * np.sin(time_s * (1 + 2 * sway) + 7 * phase)
        down = (0.35 + (y - 0.5) * 2 * apart + time_s * 0.22 * near) % 1.2 - 0.1
        size = 0.0011 + 0.0022 * near * (0.4 + 0.6 * age)
        strength = (90 + 130 * np.minimum(near / 2, 1)) * np.minimum(1, 6 * np.minimum(age, 1 - age))
        layer = np.zeros((height, width), np.uint8)
        for column, row, radius, level in zip(
            across * width, down * height, size * height, strength, strict=True
        ):
            centre = _fixed(column), _fixed(row)
            cv2.circle(layer, centre, max(8, _fixed(radius)), (float(level),), -1, cv2.LINE_AA, _SUBPIXEL)
        _lighten(out, cv2.GaussianBlur(layer, (0, 0), max(0.6, height / 900)))

    def _rain(self, out: Image, time_s: float) -> None:
        height, width = out.shape[:2]
        x, y, depth, lean, speed, phase = self._streaks.T
        near = 0.3 + 0.7 * depth
        fall = (y + time_s * (1.6 + 1.2 * speed) * near + phase) % 1.3 - 0.2
        # each fall has a place of its own
        falls = np.floor(y + time_s * (1.6 + 1.2 * speed) * near + phase)
        across = (x + 0.618 * falls) % 1
        length = 0.05 * near * height
        layer = np.zeros((height, width), np.uint8)
        for column, row, reach, slant, strength in zip(
            across * width, fall * height, length, (lean - 0.5) * 0.12, 25 + 45 * near, strict=True
        ):
            start = _fixed(column), _fixed(row)
            end = _fixed(column + slant * reach), _fixed(row + reach)
            thickness = max(1, round(height / 700))
            cv2.line(layer, start, end, (float(strength),), thickness, cv2.LINE_AA, _SUBPIXEL)
        _lighten(out, cv2.GaussianBlur(layer, (0, 0), max(0.7, height / 800)))

    def _drop(self, out: Image, scene: Image, number: int, drop: Floats, time_s: float) -> None:
        """A drop on the glass: it shows the scene upside down and small, and is gone after some seconds."""
        height, width = out.shape[:2]
        lifetime = 3 + 6 * drop[4]
        life, age = divmod(time_s / lifetime + drop[5], 1)
        x, y, roundness = np.random.default_rng([self._seed, number, int(life)]).random(3)
        radius = height * (0.008 + 0.02 * drop[2] ** 2) * min(1.0, 8 * age, 8 * (1 - age))
        if radius < 1.5:
            return
        slide = max(0.0, age - 0.6) * drop[3] * 0.25  # heavy ones begin to run in the end
        column, row = x * width, (y + slide) * height
        left, right = max(0, int(column - radius)), min(width, int(column + radius) + 2)
        top, bottom = max(0, int(row - radius)), min(height, int(row + radius) + 2)
        if left >= right or top >= bottom:
            return
        across = (np.arange(left, right, dtype=np.float32) - column) / radius
        down = (np.arange(top, bottom, dtype=np.float32)[:, None] - row) / (radius * (0.9 + 0.3 * roundness))
        distance = across**2 + down**2
        reach = 7 * radius
        map_x = ((column - across * reach + 0 * down) * scene.shape[1] / width - 0.5).astype(np.float32)
        map_y = ((row - down * reach + 0 * across) * scene.shape[0] / height - 0.5).astype(np.float32)
        seen: Any = cv2.remap(scene, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        seen = seen.astype(np.float32)
        seen *= (1.08 - 0.5 * np.clip(distance, 0, 1) ** 2)[..., None]
        share = np.clip((1 - distance) * radius / 3, 0, 1)[..., None]
        patch = out[top:bottom, left:right]
        patch[:] = (patch + (seen - patch) * share).clip(0, 255).astype(np.uint8)


class WeatherSink(PassingSink):
    """Lets weather fall over frames on their way to a sink."""

    def __init__(self, weather: Weather, sink: FrameSink) -> None:
        super().__init__(sink)
        self._falling = Falling(weather)

    def passed(self, frame: Frame) -> Frame:
        return replace(frame, image=self._falling.over(frame.image, float(frame.pts)))


def _fixed(value: float) -> int:
    """Pixels in OpenCV's fixed point."""
    return round(value * (1 << _SUBPIXEL))


def _lighten(out: Image, layer: Any) -> None:
    """Moves the frame towards white where the layer, uint8[H,W], is bright."""
    share = cv2.merge([layer] * 3)
    cv2.add(out, cv2.multiply(cv2.bitwise_not(out), share, scale=1 / 255), dst=out)
