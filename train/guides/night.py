"""Day as night: ambient light nearly gone, a black sky, headlights on the road, and what emits light.

Punnappurath et al. (CVPR 2022) darken and relight a day picture in linear light for neural ISPs; here the
classes of a segmentation say what the light falls on and what shines by itself.

A network gives one night for a picture, so it learns the middle of all that is drawn for it: what chance
decides comes out as a grey mean. So what shines follows from what the picture shows (the tops of poles, the
darkest panes, vehicles ahead and on the other side), and the drawn ranges are narrow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np
from numpy.typing import NDArray

from unit_edge.train.guides.drawn import Drawn, Uniform
from unit_edge.train.guides.light import Array, bloom, blurred, exposed, to_srgb, with_noise
from unit_edge.train.guides.lights import RED, signals, small_and_red, spot, spots_in
from unit_edge.train.guides.scene import Scene, SceneClass

WARM = np.array([0.42, 0.72, 1.0], np.float32)
"""Sodium street lights, BGR."""
WHITE = np.array([0.85, 0.95, 1.0], np.float32)
"""Headlights and LED street lights, BGR."""

_TOE = np.float32(0.012)
"""Linear light that a camera halves; less of it is lost in the dark."""


@dataclass(frozen=True, kw_only=True)
class NightSettings(Drawn):
    """One night, drawn anew for each picture."""

    street_light: Annotated[float, Uniform(0.05, 0.1)]
    """Ambient light on the street as a share of the day's: a city street has about 0.08."""
    warmth: Annotated[float, Uniform(0.4, 0.8)]
    """0: white street lights; 1: sodium."""
    headlights: Annotated[float, Uniform(0.25, 0.45)]
    """Light of the own headlights on the road at their brightest, a share of the day's."""
    sky_glow: Annotated[float, Uniform(0.004, 0.012)]
    """Light of the sky at the horizon."""
    lit_windows: Annotated[float, Uniform(0.4, 0.8)]
    """Light of the windows with the most contrast."""
    bloom: Annotated[float, Uniform(1.0, 1.5)]
    noise: Annotated[float, Uniform(0.05, 0.15)]


def night(
    image: NDArray[np.uint8], classes: NDArray[np.uint8], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """A day picture as night.

    Args:
        image: uint8[H,W,3], BGR.
        classes: uint8[h,w,11], probabilities times 255 in the order of `SceneClass`.
        rng: which night; the same generator state gives the same picture.

    Returns:
        uint8[H,W,3], BGR.
    """
    settings = NightSettings.draw(rng)
    scene = Scene(image, classes)
    sky = np.clip((scene.sky - 0.06) / 0.45, 0, 1)
    surface = exposed(scene.light, 1 - sky, 0.18)
    grey = surface.mean(-1, keepdims=True)
    surface = np.clip(grey + (surface - grey) * 1.1, 0, 1.1)
    surface *= (1 - 0.65 * scene.own_car)[..., None]
    light = surface * _illumination(scene, settings)
    light = light + np.float32(0.25) * settings.street_light * settings.bloom * blurred(
        light, 0.12 * scene.height
    )
    light *= (1 - sky)[..., None]
    above = np.clip(scene.horizon - np.arange(scene.height, dtype=np.float32) / scene.height, 0, 1)[:, None]
    glow = settings.sky_glow * (0.12 + 0.88 * np.exp(-above / 0.14))
    light += (glow * sky)[..., None] * _colour(settings.warmth * 0.5)
    light += bloom(_emission(scene, settings), settings.bloom)
    grey = light.mean(-1, keepdims=True)  # of all colours alike: a toe for each makes dim greys yellow
    light *= grey / (grey + _TOE)
    return to_srgb(with_noise(light, settings.noise, rng))


def _illumination(scene: Scene, settings: NightSettings) -> Array:
    """Light that falls on each pixel, float[H,W,3], a share of the day's."""
    below, across, distance = scene.below, scene.across, scene.distance
    # on what stands, a low beam ends a little above the horizon's row
    rows = (np.arange(scene.height, dtype=np.float32) + 0.5) / scene.height - scene.horizon
    cutoff = 0.08 + 0.92 / (1 + np.exp(-(rows + 0.015) / 0.02))[:, None]
    width = 0.22 + 0.75 * below
    beam = np.exp(-((across / width) ** 2)) * cutoff
    reach = np.minimum(1.6 * (np.maximum(distance, 1.2) / 4) ** -1.1, 1.15)
    headlights = blurred(settings.headlights * beam * np.minimum(reach, 1), scene.width / 150)
    # street lights reach what is near the ground, and fade with height
    street = settings.street_light * (0.35 + 0.65 * np.exp(-np.maximum(-rows, 0) / 0.16))[:, None]
    street = street * np.clip(1.25 - 0.014 * distance, 0.6, 1.2)
    near = 1 - 0.75 * np.clip((below - 0.55) / 0.4, 0, 1)
    headlights, street = headlights * near, street * near
    total = street[..., None] * _colour(settings.warmth) + headlights[..., None] * WHITE
    return np.asarray(total, np.float32)


def _colour(warmth: float) -> Array:
    return np.asarray((WHITE * (1 - warmth) + WARM * warmth) * 1.1, np.float32)


def _emission(scene: Scene, settings: NightSettings) -> Array:
    """What shines by itself, linear light, float[H,W,3]."""
    shining = np.zeros_like(scene.light)
    _windows(scene, settings, shining)
    signals(scene, shining)
    _glints(scene, settings, shining)
    _street_lamps(scene, settings, shining)
    _vehicle_lights(scene, shining)
    return shining


def _street_lamps(scene: Scene, settings: NightSettings, shining: Array) -> None:
    """A lamp at the top of poles that end above the horizon, with sky or dark behind them."""
    colour = _colour(settings.warmth)
    for left, top, width, height in scene.pieces(SceneClass.POLE):
        tall = height > 0.08 * scene.height and height > 1.3 * width
        if not tall or top > scene.horizon * 0.9 * scene.height:
            continue
        row = scene.classes[min(top + 1, scene.height - 1), left : left + width, SceneClass.POLE]
        centre = left + int(row.argmax())
        size = max(0.9, scene.height * 0.007 * np.sqrt(height / (0.3 * scene.height)))
        spot(shining, centre, max(0, top), size, colour * 20.0)


def _glints(scene: Scene, settings: NightSettings, shining: Array) -> None:
    """Small bright things near the horizon become its small lights: shops, signs, far lamps and vehicles."""
    rows = (np.arange(scene.height, dtype=np.float32) + 0.5) / scene.height - scene.horizon
    band = np.exp(-((rows + 0.03) ** 2) / (2 * 0.06**2))[:, None]
    parts = [SceneClass.BUILDING, SceneClass.TRAFFIC_SIGN, SceneClass.POLE]
    spots = spots_in(scene.grey, 0.6 * scene.height) * band * scene.classes[..., parts].sum(-1)
    # what is bluish by day has a white light, what is reddish a warm one
    blue = np.clip((scene.light[..., 0] - scene.light[..., 2]) * 6 + 0.5, 0, 1)[..., None]
    colour = blue * WHITE + (1 - blue) * _colour(min(1.0, settings.warmth + 0.3))
    shining += (spots * np.clip(spots * 2 - 0.4, 0, 1))[..., None] * colour * np.float32(4.0)


def _vehicle_lights(scene: Scene, shining: Array) -> None:
    """Tail lights shine where the picture has them and on vehicles ahead; those on the left face us."""
    red = small_and_red(scene)
    for left, top, width, height in scene.vehicles:
        if height < 0.03 * scene.height or width < 0.02 * scene.width:
            continue
        on_road = top < (scene.horizon + 0.1) * scene.height and top + height < 0.97 * scene.height
        whole = on_road and left > 0 and left + width < scene.width
        box = np.s_[top : top + height, left : left + width]
        lamps = red[box] * scene.classes[box][..., SceneClass.VEHICLE]
        if lamps.sum() > 0.004 * width * height:
            shining[box] += (lamps * 5.0)[..., None] * RED
            continue
        centre = (left + width / 2) / scene.width
        whole = whole and width < 1.7 * height  # else it is two, or seen from the side
        oncoming = whole and centre < 0.42 and height < 0.4 * scene.height
        ahead = whole and 0.42 <= centre < 0.75
        if not (oncoming or ahead):
            continue
        colour = WHITE * 20.0 if oncoming else RED * 10.0
        row = top + height * (0.62 if oncoming else 0.5)
        for share in (0.16, 0.84):
            spot(shining, left + width * share, row, max(0.7, height * 0.07), colour)


def _windows(scene: Scene, settings: NightSettings, shining: Array) -> None:
    """Dark, small patches of buildings are windows; those with the most contrast are lit."""
    where = scene.classes[..., SceneClass.BUILDING]
    if where.max() < 0.5:
        return
    size = max(3, round(scene.height * 0.045)) | 1
    closed = cv2.morphologyEx(scene.grey, cv2.MORPH_CLOSE, np.ones((size, size), np.uint8))
    panes = np.clip((closed - scene.grey) * 5 - 1.5, 0, 1) * np.clip(where * 2 - 1, 0, 1)
    shining += (panes * settings.lit_windows)[..., None] * _colour(0.55)
