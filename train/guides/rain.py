"""Day as rain: a closed sky, haze, and a wet road that is darker and mirrors what stands above it.

Wet surfaces as Halder et al. (ICCV 2019) describe them for rendering rain: water darkens what it fills, and
a film of it reflects by Fresnel's law, most where one looks along it. The haze is Koschmieder's. Streaks and
drops are none of this: they move with time, and are drawn at run time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np
from numpy.typing import NDArray

from unit_edge.train.guides.drawn import Drawn, LogUniform, Uniform
from unit_edge.train.guides.light import Array, bloom, exposed, to_srgb, with_noise
from unit_edge.train.guides.scene import Scene, SceneClass
from unit_edge.train.guides.weather import (
    desaturated,
    ground_mask,
    ground_noise,
    hazy,
    lit_lamps,
    overcast_sky,
    sky_of,
    tinted,
    transmission,
    without_shadows,
)


@dataclass(frozen=True, kw_only=True)
class RainSettings(Drawn):
    """One rain, drawn anew for each picture."""

    exposure: Annotated[float, Uniform(0.09, 0.13)]
    """Mean linear light of what is not sky."""
    sky: Annotated[float, Uniform(0.6, 0.95)]
    """Linear light of the sky at the horizon."""
    tint: Annotated[float, Uniform(0.0, 0.5)]
    """Of the sky and the haze: 1 bluish, -1 warm."""
    visibility_m: Annotated[float, LogUniform(4000, 12000)]
    """How far one sees: in rain, some kilometres."""
    wetness: Annotated[float, Uniform(0.7, 0.9)]
    """0: damp; 1: a film of water on all of the road."""
    puddles: Annotated[float, Uniform(0.08, 0.16)]
    """Share of the ground that water stands on."""
    roughness: Annotated[float, Uniform(0.06, 0.09)]
    """How far the mirror is blurred downwards, a share of the picture's height at the bottom."""
    grey: Annotated[float, Uniform(-0.2, 0.05)]
    """Share of the colours that goes; below 0 they are richer, as those of wet leaves are."""
    lamps: Annotated[float, Uniform(0.8, 1.2)]
    """Strength of the lights that are on."""
    noise: Annotated[float, Uniform(0.0, 0.04)]


def rain(image: NDArray[np.uint8], classes: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A dry day picture as rain.

    Args:
        image: uint8[H,W,3], BGR.
        classes: uint8[h,w,11], probabilities times 255 in the order of `SceneClass`.
        rng: which rain; the same generator state gives the same picture.

    Returns:
        uint8[H,W,3], BGR.
    """
    settings = RainSettings.draw(rng)
    scene = Scene(image, classes)
    sky = sky_of(scene)
    light = without_shadows(scene, exposed(scene.light, 1 - sky, settings.exposure), 0.6)
    light = desaturated(light, settings.grey) * tinted(0.4 * settings.tint)
    clouds = overcast_sky(scene, settings.sky, settings.tint, rng)
    lamps = lit_lamps(scene, settings.lamps)
    wet = wet_ground(scene, settings, rng)
    paint = markings(scene)
    light = light * (1 - 0.4 * wet * (1 - paint))[..., None] * (1 - 0.3 * vegetation(scene))[..., None]
    light = light + (clouds - light) * sky[..., None]
    shine = reflectance(scene, settings, wet, rng)[..., None]
    under = light * (1 - shine * (1 - paint)[..., None])
    light = under + mirrored(scene, light + lamps, settings.roughness) * shine
    airlight = 0.6 * settings.sky * tinted(settings.tint)
    through = transmission(scene, settings.visibility_m)
    through = np.maximum(through, sky)  # the painted sky is what the haze ends in
    light = hazy(light, through, np.broadcast_to(airlight, light.shape)) + bloom(
        lamps * through[..., None], 0.8
    )
    return to_srgb(with_noise(light, settings.noise, rng))


def vegetation(scene: Scene) -> Array:
    """Leaves, float[H,W] in [0, 1]: wet ones are darker."""
    return scene.likely(SceneClass.VEGETATION, SceneClass.TERRAIN)


def wet_ground(scene: Scene, settings: RainSettings, rng: np.random.Generator) -> Array:
    """How wet the ground is, float[H,W] in [0, 1]: the road more than its sides, in blotches."""
    road = ground_mask(scene, SceneClass.ROAD) + 0.8 * ground_mask(scene, SceneClass.SIDEWALK)
    road = np.clip(road * 1.3 - 0.15, 0, 1) * (1 - scene.own_car)
    blotches = 0.85 + 0.15 * ground_noise(scene, 5, rng)
    return np.asarray(road * settings.wetness * blotches, np.float32)


def reflectance(scene: Scene, settings: RainSettings, wet: Array, rng: np.random.Generator) -> Array:
    """Share of the mirror in what one sees of the ground, float[H,W] in [0, 1].

    Fresnel's law of water in Schlick's form, at the angle at which a camera 1.4 m above the road sees it;
    asphalt that stands out of the film takes its share away, puddles do not.
    """
    across = np.minimum(1 / np.maximum(scene.below, 1e-3), 60) * 6.0
    cosine = 1.4 / np.sqrt(1.4**2 + across**2)
    fresnel = 0.02 + 0.98 * (1 - cosine) ** 5
    water = np.clip((ground_noise(scene, 3, rng) - 1 + 2 * settings.puddles) * 2.5, 0, 1)
    film = wet * (0.45 + 0.4 * wet)
    return np.asarray(fresnel * np.maximum(film, 0.9 * water * np.minimum(wet * 2, 1)), np.float32)


def markings(scene: Scene) -> Array:
    """Paint on the ground, float[H,W] in [0, 1]: no water fills it, and it is rough: it stays to be seen."""
    size = max(3, round(0.06 * scene.height)) | 1
    thin = cv2.morphologyEx(scene.grey, cv2.MORPH_TOPHAT, np.ones((1, size), np.uint8))
    return np.asarray(np.clip((thin - 0.08) / 0.12, 0, 1), np.float32)


def mirrored(scene: Scene, light: Array, roughness: float) -> Array:
    """What a flat mirror on the ground would show, blurred downwards, float[H,W,3].

    What stands on the ground is flipped about its foot, what is far about the horizon; where both would
    fall, the nearer one hides the other.

    Args:
        scene: where things stand.
        light: of the picture, lamps in it, float[H,W,3].
        roughness: sigma of the blur at the bottom, a share of the height.
    """
    height, width = scene.height, scene.width
    horizon = scene.horizon * height
    rows = np.arange(height)
    flipped = np.clip(np.round(2 * horizon - 1 - rows), 0, height - 1).astype(int)
    mirror = light[flipped]
    standing = ~scene.ground & (scene.sky < 0.5) & (scene.own_car < 0.5)
    y, x = np.nonzero(standing)
    foot = horizon + scene.foot[y, x] * (height - horizon)
    target = np.round(2 * foot - 1 - y).astype(int)
    kept = (target >= 0) & (target < height) & (target > horizon)
    y, x, foot, target = y[kept], x[kept], foot[kept], target[kept]
    order = np.argsort(foot, kind="stable")  # the nearest is written last
    mirror[target[order], x[order]] = light[y[order], x[order]]
    sharp = cv2.GaussianBlur(mirror, (0, 0), 0.6, sigmaY=max(0.6, 0.2 * roughness * height))
    rough = cv2.GaussianBlur(mirror, (0, 0), max(0.5, 0.004 * width), sigmaY=max(0.8, roughness * height))
    share = np.clip(scene.below * 1.6, 0, 1)[..., None]
    return np.asarray(sharp + (rough - sharp) * share, np.float32)
