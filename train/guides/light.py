"""Light as cameras see it: linear values, glow round what shines, a small sensor's noise."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

LUMINANCE = np.array([0.0722, 0.7152, 0.2126], np.float32)
"""Weights of linear B, G, R (ITU-R BT.709)."""


def to_linear(image: NDArray[np.uint8]) -> Array:
    """sRGB, uint8[H,W,3] → linear light, float[H,W,3] in [0, 1] (IEC 61966-2-1)."""
    return np.asarray(_LINEAR.take(image), np.float32)


def to_srgb(light: Array) -> NDArray[np.uint8]:
    """Linear light, float[H,W,3], clipped to [0, 1] → sRGB, uint8[H,W,3]."""
    levels = np.clip(light, 0, 1)
    levels *= len(_SRGB) - 1
    levels += 0.5
    return np.asarray(_SRGB.take(levels.astype(np.uint16)), np.uint8)


def luminance(light: Array) -> Array:
    """Linear light, float[H,W,3], BGR → float[H,W]."""
    return np.asarray(light @ LUMINANCE, np.float32)


def exposed(light: Array, where: Array, mean: float) -> Array:
    """The light scaled so that the mean luminance of a region is `mean`.

    Args:
        light: float[H,W,3].
        where: weight of each pixel, float[H,W]; all of the image counts if it is 0 everywhere.
        mean: above 0.
    """
    weight = where if where.sum() > 1 else np.ones_like(where)
    now = float((luminance(light) * weight).sum() / weight.sum())
    return np.asarray(light * np.float32(mean / max(now, 1e-3)), np.float32)


def blurred(x: Array, sigma: float) -> Array:
    """Gaussian blur, float[H,W] or float[H,W,C]; wide ones at a smaller size, where they cost little."""
    return enlarged(blurred_small(x, sigma), *x.shape[:2])


def blurred_small(x: Array, sigma: float) -> Array:
    """The same before it is brought back to its size: float of `small_size`, with the channels of x."""
    if sigma < 0.3:
        return x
    height, width = small_size(x.shape[0], x.shape[1], sigma)
    if (height, width) != x.shape[:2]:
        x = np.asarray(cv2.resize(x, (width, height), interpolation=cv2.INTER_AREA), np.float32)
        sigma /= int(sigma // 4)
    return np.asarray(cv2.GaussianBlur(x, (0, 0), sigma), np.float32)


def small_size(height: int, width: int, sigma: float) -> tuple[int, int]:
    """Height and width at which pictures of a size are blurred."""
    shrink = int(sigma // 4)
    return (height, width) if shrink < 2 else (max(1, height // shrink), max(1, width // shrink))


def enlarged(x: Array, height: int, width: int) -> Array:
    """Bilinear, float[h,w] or float[h,w,C]."""
    if x.shape[:2] == (height, width):
        return x
    return np.asarray(cv2.resize(x, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


HALOS = ((0.006, 0.55), (0.022, 0.30), (0.08, 0.22))
"""Of bloom: sigma over the picture's height, and strength."""


def bloom(emission: Array, spread: float) -> Array:
    """What a lens and a dirty windscreen make of light sources: themselves and three halos.

    Args:
        emission: linear light, float[H,W,3], 0 where nothing shines.
        spread: strength of the halos, about 1.
    """
    return np.asarray(emission + np.float32(spread) * halo(emission), np.float32)


def halo(emission: Array) -> Array:
    """What `bloom` adds with a spread of 1: float[H,W] or float[H,W,C] → the same."""
    height = emission.shape[0]
    blurs = (np.float32(share) * blurred(emission, sigma * height) for sigma, share in HALOS)
    return np.asarray(sum(blurs, np.float32(0)), np.float32)


def with_noise(light: Array, amount: float, rng: np.random.Generator) -> Array:
    """Shot and read noise of a small sensor, which grows with the root of the light."""
    grain = rng.standard_normal(light.shape, np.float32)
    spread = np.sqrt(np.maximum(light, 0))
    spread *= np.float32(0.02 * amount)
    spread += np.float32(0.002 * amount)
    grain *= spread
    grain += light
    return grain


def refined(mask: Array, grey: Array, radius: int, epsilon: float = 1e-3) -> Array:
    """A soft mask whose border follows the image's edges: the guided filter (He et al., ECCV 2010).

    Args:
        mask: float[H,W] in [0, 1].
        grey: float[H,W] in [0, 1].
        radius: of its boxes, in pixels.
        epsilon: variance of grey below which a region counts as flat.
    """

    def mean(x: NDArray[Any]) -> Array:
        return np.asarray(cv2.boxFilter(x, -1, (2 * radius + 1, 2 * radius + 1)), np.float32)

    mean_x, mean_y = mean(grey), mean(mask)
    a = (mean(grey * mask) - mean_x * mean_y) / (mean(grey * grey) - mean_x * mean_x + epsilon)
    b = mean_y - a * mean_x
    return np.asarray(np.clip(mean(a) * grey + mean(b), 0, 1), np.float32)


_LEVELS = np.arange(256, dtype=np.float32) / 255
_LINEAR = np.where(_LEVELS <= 0.04045, _LEVELS / 12.92, ((_LEVELS + 0.055) / 1.055) ** 2.4).astype(np.float32)
_STEPS = np.linspace(0, 1, 16384)
_SRGB = (
    np.where(_STEPS <= 0.0031308, _STEPS * 12.92, 1.055 * _STEPS ** (1 / 2.4) - 0.055) * 255 + 0.5
).astype(np.uint8)
