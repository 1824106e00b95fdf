"""Day as fog: what is far goes into the airlight, and lights have halos.

Koschmieder's model, as Halder et al. (ICCV 2019) and the foggy Cityscapes of Sakaridis et al. (IJCV 2018)
use it: light * t + airlight * (1 - t), with t = exp(-beta * distance).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from unit_edge.train.guides.drawn import Drawn, LogUniform, Uniform
from unit_edge.train.guides.light import Array, blurred, exposed, to_srgb, with_noise
from unit_edge.train.guides.scene import Scene
from unit_edge.train.guides.weather import (
    desaturated,
    hazy,
    lit_lamps,
    sky_of,
    smooth_noise,
    tinted,
    transmission,
    without_shadows,
)


@dataclass(frozen=True, kw_only=True)
class FogSettings(Drawn):
    """One fog, drawn anew for each picture."""

    exposure: Annotated[float, Uniform(0.12, 0.16)]
    """Mean linear light of what is not sky, before the fog."""
    visibility_m: Annotated[float, LogUniform(90, 220)]
    """How far one sees: fog is called dense below 200 m."""
    airlight: Annotated[float, Uniform(0.52, 0.68)]
    """Linear light of the fog at the horizon."""
    tint: Annotated[float, Uniform(-0.1, 0.5)]
    """Of the fog: 1 bluish, -1 warm."""
    graded: Annotated[float, Uniform(0.0, 0.2)]
    """How much darker (or lighter, below 0) the fog is at the top of the picture, as a share."""
    patches: Annotated[float, Uniform(0.0, 0.1)]
    """How much the fog's density differs from place to place, as a share."""
    grey: Annotated[float, Uniform(0.3, 0.45)]
    """Share of the colours that goes."""
    lamps: Annotated[float, Uniform(0.8, 1.2)]
    """Strength of the lights that are on."""
    noise: Annotated[float, Uniform(0.0, 0.04)]


def fog(image: NDArray[np.uint8], classes: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A clear day picture in fog.

    Args:
        image: uint8[H,W,3], BGR.
        classes: uint8[h,w,11], probabilities times 255 in the order of `Part`.
        rng: which fog; the same generator state gives the same picture.

    Returns:
        uint8[H,W,3], BGR.
    """
    settings = FogSettings.draw(rng)
    scene = Scene(image, classes)
    sky = sky_of(scene)
    light = without_shadows(scene, exposed(scene.light, 1 - sky, settings.exposure), 0.6)
    light = desaturated(light, settings.grey) * tinted(0.4 * settings.tint)
    air = airlight(scene, settings)
    light += (air - light) * sky[..., None]
    through = transmission(scene, settings.visibility_m)
    if settings.patches > 0:
        denser = 1 + settings.patches * smooth_noise(scene.height, scene.width, 2, rng)
        through = through ** np.maximum(denser, 0.3)
    through = through * (1 - sky)
    lamps = lit_lamps(scene, settings.lamps)
    light = hazy(light, through, air) + halos(lamps, through, scene.height)
    return to_srgb(with_noise(light, settings.noise, rng))


def airlight(scene: Scene, settings: FogSettings) -> Array:
    """The fog's own light, float[H,W,3]: brightest at the horizon's row, slightly graded above it."""
    rows = (np.arange(scene.height, dtype=np.float32) + 0.5) / scene.height
    above = np.clip((scene.horizon - rows) / max(scene.horizon, 0.1), 0, 1)[:, None, None]
    level = settings.airlight * (1 - settings.graded * above) * np.ones((1, scene.width, 1), np.float32)
    return np.asarray(level * tinted(settings.tint), np.float32)


def halos(lamps: Array, through: Array, height: int) -> Array:
    """Lights in fog, float[H,W,3]: what comes straight through, and round it what was scattered once.

    Args:
        lamps: what shines, float[H,W,3].
        through: the air's transmission, float[H,W].
        height: of the picture; the halos' sizes are shares of it.
    """
    straight = lamps * np.sqrt(through)[..., None]
    if not lamps.any():
        return straight
    scattered = lamps * (np.sqrt(through) * (1 - 0.6 * through))[..., None]
    near, wide = blurred(scattered, 0.012 * height), blurred(scattered, 0.045 * height)
    return np.asarray(straight + 0.9 * near + 0.9 * wide, np.float32)
