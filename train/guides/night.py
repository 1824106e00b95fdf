"""Day as night: ambient light nearly gone, a black sky, headlights on the road, and what emits light.

Punnappurath et al. (CVPR 2022) darken and relight a day picture in linear light for neural ISPs; here the
classes of a segmentation say what the light falls on and what shines by itself.

A network gives one night for a picture, so it learns the middle of all that is drawn for it: what chance
decides comes out as a grey mean. So what shines follows from what the picture shows (the tops of poles, the
darkest panes, vehicles ahead and on the other side), and the drawn ranges are narrow.

Light adds up. So all that is drawn but the noise only weighs maps that follow from the picture, which are
prepared once and kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np
import torch

from unit_edge.train.guides.drawn import Drawn, Uniform
from unit_edge.train.guides.guide import Image, Renderer
from unit_edge.train.guides.light import (
    Array,
    blurred,
    blurred_small,
    enlarged,
    exposed,
    halo,
    small_size,
    to_srgb,
    with_noise,
)
from unit_edge.train.guides.lights import RED, signals, small_and_red, spot, spots_in
from unit_edge.train.guides.scene import Scene, SceneClass

WARM = np.array([0.42, 0.72, 1.0], np.float32)
"""Sodium street lights, BGR."""
WHITE = np.array([0.85, 0.95, 1.0], np.float32)
"""Headlights and LED street lights, BGR."""

_WIDE = 0.12
"""Sigma of the haze round all that is lit, over the height."""

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


def night(image: Image, classes: Image, rng: np.random.Generator) -> Image:
    """A day picture as night.

    Args:
        image: uint8[H,W,3], BGR.
        classes: uint8[h,w,11], probabilities times 255 in the order of `SceneClass`.
        rng: which night; the same generator state gives the same picture.

    Returns:
        uint8[H,W,3], BGR.
    """
    return NIGHT(image, classes, rng)


def _prepare(image: Image, classes: Image) -> Image:
    """All of a picture that is the same in each of its nights, uint8[1,1,n]: see `_Maps`."""
    scene = Scene(image, classes)
    sky = np.clip((scene.sky - 0.06) / 0.45, 0, 1)
    surface = np.stack(cv2.split(exposed(scene.light, 1 - sky, 0.18)))
    grey = surface.mean(0)
    surface = np.clip(grey + (surface - grey) * np.float32(1.1), 0, 1.1) * (1 - 0.65 * scene.own_car)
    street, beam = _street_light(scene), _beam(scene)
    above = np.clip(scene.horizon - np.arange(scene.height, dtype=np.float32) / scene.height, 0, 1)
    glow = sky * (0.12 + 0.88 * np.exp(-above / 0.14))[:, None]
    shining = _emission(scene)
    halos = [halo(map_) if map_.any() else map_ for map_ in shining]
    sigma = _WIDE * scene.height
    wide = [[blurred_small(colour * light, sigma) for colour in surface] for light in (street, beam)]
    return _Maps(
        full=np.stack(
            [*surface, street, beam, sky, glow, *shining, *halos], dtype=np.float32, casting="same_kind"
        ),
        wide=np.array(wide, np.float32),
    ).to_bytes()


def _render(image: Image, prepared: Image, rng: np.random.Generator) -> Image:
    """One night of what is prepared; all is a sum of its maps but for the camera's response and noise."""
    settings = NightSettings.draw(rng)
    height, width = image.shape[:2]
    maps = _Maps.from_bytes(prepared, height, width)
    surface, ambient, (sky, glow), shining, halos = np.split(maps.full, (3, 5, 7, 13))
    lights = np.stack([settings.street_light * _colour(settings.warmth), settings.headlights * WHITE])
    light = np.tensordot(lights.T, ambient, 1)
    light *= surface
    haze = 0.25 * settings.street_light * settings.bloom * lights
    for channel, far in enumerate(np.einsum("lc,lchw->chw", haze, maps.wide)):
        light[channel] += enlarged(far, height, width)
    light *= 1 - sky
    # in the order of `_emission`: each map's colour, linear BGR, and at last that of the sky's glow
    colours = np.column_stack(
        [
            np.eye(3),
            settings.lit_windows * _colour(0.55),
            _colour(min(1.0, settings.warmth + 0.3)),
            _colour(settings.warmth),
            settings.sky_glow * _colour(settings.warmth * 0.5),
        ]
    ).astype(np.float32)
    shown = np.concatenate([shining + np.float32(settings.bloom) * halos, glow[None]])
    light += np.tensordot(colours, shown, 1)
    grey = light.mean(0)  # of all colours alike: a toe for each makes dim greys yellow
    light *= grey / (grey + _TOE)
    return to_srgb(with_noise(np.asarray(cv2.merge(tuple(light)), np.float32), settings.noise, rng))


NIGHT = Renderer(_render, _prepare)


@dataclass(frozen=True)
class _Maps:
    """What nights of a picture are made of: linear light, kept in half precision.

    Attributes:
        full: float[19,H,W]: the surface in day's light, BGR; what of a street light and of the headlights
            falls on it; the sky and its glow; what shines (six maps of `_emission`) and its halos.
        wide: float[2,3,h,w]: surfaces in either light, blurred over a part of the picture.
    """

    full: Array
    wide: Array

    def to_bytes(self) -> Image:
        """The maps as bytes, uint8[1,1,n], in half precision."""
        halves = [torch.from_numpy(maps).half().numpy().reshape(-1) for maps in (self.full, self.wide)]
        return np.concatenate(halves).view(np.uint8)[None, None]

    @classmethod
    def from_bytes(cls, prepared: Image, height: int, width: int) -> _Maps:
        """What `to_bytes` gave of a picture of that size."""
        halves = prepared[0, 0].copy().view(np.float16)  # what is kept can't be written to, as torch wants it
        maps = torch.from_numpy(halves).float().numpy()  # numpy takes ten times as long
        full, wide = np.split(maps, [19 * height * width])
        size = small_size(height, width, _WIDE * height)
        return cls(full.reshape(19, height, width), wide.reshape(2, 3, *size))


def _street_light(scene: Scene) -> Array:
    """Share of a street light's light that falls on each pixel, float[H,W]."""
    # street lights reach what is near the ground, and fade with height
    street = (0.35 + 0.65 * np.exp(-np.maximum(-_rows(scene), 0) / 0.16))[:, None]
    return np.asarray(street * np.clip(1.25 - 0.014 * scene.distance, 0.6, 1.2) * _near(scene), np.float32)


def _beam(scene: Scene) -> Array:
    """Share of the headlights' light that falls on each pixel, float[H,W]."""
    # on what stands, a low beam ends a little above the horizon's row
    cutoff = 0.08 + 0.92 / (1 + np.exp(-(_rows(scene) + 0.015) / 0.02))[:, None]
    width = 0.22 + 0.75 * scene.below
    beam = np.exp(-((scene.across / width) ** 2)) * cutoff
    reach = np.minimum(1.6 * (np.maximum(scene.distance, 1.2) / 4) ** -1.1, 1)
    return np.asarray(blurred(beam * reach, scene.width / 150) * _near(scene), np.float32)


def _rows(scene: Scene) -> Array:
    """How far below the horizon each row is, float[H], a share of the height."""
    return np.asarray(
        (np.arange(scene.height, dtype=np.float32) + 0.5) / scene.height - scene.horizon, np.float32
    )


def _near(scene: Scene) -> Array:
    """Share of the light that falls on the nearest road, which no lamp lights well, float[H,1]."""
    return np.asarray(1 - 0.75 * np.clip((scene.below - 0.55) / 0.4, 0, 1), np.float32)


def _colour(warmth: float) -> Array:
    return np.asarray((WHITE * (1 - warmth) + WARM * warmth) * 1.1, np.float32)


def _emission(scene: Scene) -> Array:
    """What shines by itself, float[6,H,W].

    Three maps of linear light, BGR; then the strength of what has the drawn light of windows, of warm
    glints and of street lamps.
    """
    own = np.zeros_like(scene.light)
    signals(scene, own)
    _vehicle_lights(scene, own)
    white, warm = _glints(scene)
    own += white[..., None] * WHITE
    maps = [*cv2.split(own), _windows(scene), warm, _street_lamps(scene)]
    return np.stack(maps, dtype=np.float32)


def _street_lamps(scene: Scene) -> Array:
    """A lamp at the top of poles that end above the horizon, with sky or dark behind them, float[H,W]."""
    shining = np.zeros((scene.height, scene.width, 1), np.float32)
    for left, top, width, height in scene.pieces(SceneClass.POLE):
        tall = height > 0.08 * scene.height and height > 1.3 * width
        if not tall or top > scene.horizon * 0.9 * scene.height:
            continue
        row = scene.classes[min(top + 1, scene.height - 1), left : left + width, SceneClass.POLE]
        centre = left + int(row.argmax())
        size = max(0.9, scene.height * 0.007 * np.sqrt(height / (0.3 * scene.height)))
        spot(shining, centre, max(0, top), size, np.array([20], np.float32))
    return shining[..., 0]


def _glints(scene: Scene) -> tuple[Array, Array]:
    """Small bright things near the horizon become its small lights: shops, signs, far lamps and vehicles.

    Returns:
        The strength of white and of warm light, float[H,W] each.
    """
    band = np.exp(-((_rows(scene) + 0.03) ** 2) / np.float32(2 * 0.06**2))[:, None]
    parts = scene.likely(SceneClass.BUILDING, SceneClass.TRAFFIC_SIGN, SceneClass.POLE)
    spots = spots_in(scene.grey, 0.6 * scene.height) * band * parts
    # what is bluish by day has a white light, what is reddish a warm one
    blue = np.clip((scene.light[..., 0] - scene.light[..., 2]) * 6 + 0.5, 0, 1)
    spots = spots * np.clip(spots * 2 - 0.4, 0, 1) * 4
    return np.asarray(spots * blue, np.float32), np.asarray(spots * (1 - blue), np.float32)


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


def _windows(scene: Scene) -> Array:
    """Dark, small patches of buildings are windows; those with the most contrast are lit, float[H,W]."""
    where = scene.likely(SceneClass.BUILDING)
    if where.max() < 0.5:
        return np.zeros_like(where)
    size = max(3, round(scene.height * 0.045)) | 1
    closed = cv2.morphologyEx(scene.grey, cv2.MORPH_CLOSE, np.ones((size, size), np.uint8))
    panes = np.clip((closed - scene.grey) * 5 - 1.5, 0, 1) * np.clip(where * 2 - 1, 0, 1)
    return np.asarray(panes, np.float32)
