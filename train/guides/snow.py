"""Day as snow: white ground, roofs and treetops with their shading kept, wheel tracks, a closed sky.

Snow is a cover: where it lies, the surface's colour is gone and its shading stays, fainter, for light
that is scattered inside snow evens it out. The haze is Koschmieder's. The drawn ranges are narrow, and where
snow lies follows from the picture alone, for a network that gives one picture learns the middle of all draws:
of much snow and none it makes a grey day, of tracks and drifts that are elsewhere every time a haze.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np
from numpy.typing import NDArray

from unit_edge.train.guides.drawn import Drawn, LogUniform, Uniform
from unit_edge.train.guides.light import Array, blurred, exposed, luminance, to_srgb, with_noise
from unit_edge.train.guides.scene import Scene, SceneClass
from unit_edge.train.guides.weather import (
    desaturated,
    ground_mask,
    hazy,
    overcast_sky,
    sky_of,
    tinted,
    transmission,
    without_shadows,
)

LANE = 1.07
"""Width of a lane, of half the picture's at its bottom."""


@dataclass(frozen=True, kw_only=True)
class SnowSettings(Drawn):
    """One snowy day, drawn anew for each picture."""

    cover: Annotated[float, Uniform(0.85, 1.0)]
    """Of the ground beside the road, and of roofs: 0 a dusting, 1 all of it."""
    road: Annotated[float, Uniform(0.8, 0.95)]
    """Of the road, as a share of `cover`: 0 cleared."""
    trees: Annotated[float, Uniform(0.5, 0.75)]
    """How much of the vegetation is white."""
    level: Annotated[float, Uniform(0.5, 0.7)]
    """Linear light of snow on flat ground."""
    exposure: Annotated[float, Uniform(0.08, 0.11)]
    """Mean linear light of what neither snow nor sky covers."""
    sky: Annotated[float, Uniform(0.65, 0.9)]
    """Linear light of the sky at the horizon."""
    clouds: float = 1.0
    """1: a closed sky; 0: the day's own."""
    tint: Annotated[float, Uniform(0.3, 1.2)]
    """Of snow, sky and haze: 1 bluish, -1 warm."""
    visibility_m: Annotated[float, LogUniform(5000, 16000)]
    """How far one sees: in light snowfall, some kilometres."""
    tracks: Annotated[float, Uniform(0.3, 0.6)]
    """How far the wheels have cleared the road, 0 to 1."""
    grey: Annotated[float, Uniform(0.0, 0.15)]
    """Share of the colours that goes."""
    noise: Annotated[float, Uniform(0.0, 0.05)]


def snow(image: NDArray[np.uint8], classes: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A day picture without snow as one with snow.

    Args:
        image: uint8[H,W,3], BGR.
        classes: uint8[h,w,11], probabilities times 255 in the order of `SceneClass`.
        rng: which snow; the same generator state gives the same picture.

    Returns:
        uint8[H,W,3], BGR.
    """
    settings = SnowSettings.draw(rng)
    scene = Scene(image, classes)
    sky = sky_of(scene)
    light = without_shadows(scene, exposed(scene.light, 1 - sky, settings.exposure), 0.5 * settings.clouds)
    light = desaturated(light, settings.grey)
    bare = desaturated(_thinned(scene, light), 0.6)
    light += (bare - light) * scene.mask(SceneClass.VEGETATION)[..., None]
    light *= 1 - 0.3 * ground_mask(scene, SceneClass.ROAD)[..., None]  # what is not covered is wet
    cover = np.clip(on_ground(scene, settings) + _above(scene, settings), 0, 1)
    white = settings.level * tinted(settings.tint) * _shading(scene)[..., None]
    light += (white - light) * cover[..., None]
    closed = overcast_sky(scene, settings.sky, settings.tint, rng)
    light += (closed - light) * (sky * settings.clouds)[..., None]
    through = np.maximum(transmission(scene, settings.visibility_m), sky)
    air = np.broadcast_to(0.85 * settings.sky * tinted(settings.tint), light.shape)
    return to_srgb(with_noise(hazy(light, through, air), settings.noise, rng))


def _thinned(scene: Scene, light: Array) -> Array:
    """Vegetation as if without most of its leaves, float[H,W,3]: what is in its shadow is lit."""
    y = luminance(light) + 0.01
    near = blurred(y, 0.08 * scene.height)
    return np.asarray(light * ((0.02 + 0.3 * near + 0.6 * y) / y * 0.7)[..., None], np.float32)


def _shading(scene: Scene) -> Array:
    """Light of snow over that of flat snow, float[H,W], about 0.5 to 1.15: the surface's own, fainter."""
    y = luminance(scene.light) + 0.01
    near = blurred(y, 0.05 * scene.height)
    return np.asarray(np.clip((y / near) ** 0.5, 0.4, 1.15), np.float32)


def on_ground(scene: Scene, settings: SnowSettings) -> Array:
    """Share of the ground's surface that is snow, float[H,W] in [0, 1]."""
    road = ground_mask(scene, SceneClass.ROAD)
    grain = _grain(scene, road)
    hills = scene.mask(SceneClass.TERRAIN)
    sides = np.maximum(
        ground_mask(scene, SceneClass.SIDEWALK, SceneClass.TERRAIN), hills * (1 - sky_of(scene))
    )
    beside = np.clip(settings.cover * 1.5 - 0.1 + 0.4 * grain, 0, 1)
    bare = settings.tracks * tracks(scene)
    lying, edge = settings.cover * settings.road, _beside_the_lanes(scene, road)
    depth = lying * 2.0 - 0.65 + settings.cover * edge + 0.35 * grain - bare
    on_road = np.clip(depth * 1.4, 0, 1) * (1 - 0.5 * bare)
    total = np.clip(sides * beside + road * on_road, 0, 1) * (1 - scene.own_car)
    return np.asarray(total * (1 - _beneath(scene)), np.float32)


def _beneath(scene: Scene) -> Array:
    """Where vehicles and people stand, float[H,W] in [0, 1]: their lower parts, and the ground beneath."""
    standing = np.clip(scene.likely(SceneClass.VEHICLE, SceneClass.PERSON) * 3 - 0.6, 0, 1)
    depth = max(1, round(0.02 * scene.height))
    reach = cv2.dilate(standing, np.ones((depth + 1, 1), np.uint8), anchor=(0, depth))
    return np.asarray(cv2.GaussianBlur(reach, (0, 0), 0.004 * scene.height), np.float32)


def _beside_the_lanes(scene: Scene, road: Array) -> Array:
    """Where a plough leaves the snow, float[H,W], about 0 to 1: at the road's sides, not before vehicles."""
    lanes = road + scene.likely(SceneClass.VEHICLE) + scene.own_car
    lanes = np.minimum(lanes, 1)
    far = blurred(lanes, 0.02 * scene.height)
    near = blurred(lanes, 0.09 * scene.height)
    return np.asarray(1 - (far + (near - far) * np.minimum(scene.below * 1.5, 1)), np.float32) * 1.6


def _grain(scene: Scene, road: Array) -> Array:
    """How much lighter a place is than around, float[H,W], -1 to 1: snow stays where the ground is rough.

    Around is the road, if there is some, float[H,W] in [0, 1], else all that is near.
    """
    y, counts = luminance(scene.light) + 0.01, road + 1e-3
    around = blurred(y * counts, 0.04 * scene.height) / blurred(counts, 0.04 * scene.height)
    return np.asarray(np.clip(2 * np.log(y / around), -1, 1), np.float32)


def tracks(scene: Scene) -> Array:
    """Where wheels run, float[H,W] in [0, 1]: two tracks a lane, towards the vanishing point."""
    distance = np.minimum(1 / np.maximum(scene.below, 0.03), 30)
    lateral = (scene.across - scene.vanishing) * distance / LANE
    within = lateral - np.round(lateral)
    track = np.exp(-(((np.abs(within) - 0.23) / 0.12) ** 2))
    driven = np.exp(-((np.maximum(np.abs(lateral) - 0.5, 0) / 0.6) ** 2))  # the own lane most
    return np.asarray(track * driven * np.clip(1.3 - distance / 18, 0.3, 1), np.float32)


def _above(scene: Scene, settings: SnowSettings) -> Array:
    """Share of roofs and treetops that is snow, float[H,W] in [0, 1]."""
    y = luminance(scene.light) + 0.01
    lit = np.clip(np.log(y / blurred(y, 0.04 * scene.height)), -1.5, 1.5)
    leaves = np.clip(lit + 1.1 * settings.trees - 0.4, 0, 0.9)
    leaves *= scene.mask(SceneClass.VEGETATION)
    total = leaves
    reach = np.ones((2 * round(0.03 * scene.height) + 1, 1), np.uint8)
    roofs = _caps(scene, SceneClass.BUILDING, 0.025) * cv2.dilate(sky_of(scene), reach)
    total = total + 0.8 * settings.cover * roofs
    return np.asarray(total * (1 - scene.own_car), np.float32)


def _caps(scene: Scene, part: SceneClass, thickness: float) -> Array:
    """The upper rims of what a part covers, float[H,W] in [0, 1]; thickness is a share of the height."""
    mask = np.clip(scene.mask(part) * 2 - 0.5, 0, 1)
    depth = max(1, round(thickness * scene.height))
    above = cv2.erode(mask, np.ones((2 * depth + 1, 1), np.uint8), anchor=(0, 2 * depth))
    return np.asarray(cv2.GaussianBlur(np.clip(mask - above, 0, 1), (0, 0), 0.7), np.float32)
