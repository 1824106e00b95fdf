"""Lights that a picture has: where they are, and what shines there once it is dark or wet enough."""

from __future__ import annotations

import cv2
import numpy as np

from unit_edge.train.guides.light import Array
from unit_edge.train.guides.scene import Scene, SceneClass

RED = np.array([0.012, 0.03, 1.0], np.float32)
"""Tail lights, linear BGR: still red where they are exposed ten times over; white stays for headlights."""


def small_and_red(scene: Scene) -> Array:
    """Spots redder than what is round them, float[H,W] in [0, 1]: lights, not red walls or red cars."""
    blue, green, red = (plane / np.float32(255) for plane in scene.planes)
    redness = np.maximum(red - np.maximum(blue, 1.4 * green), 0)
    return spots_in(redness, scene.height)


def spots_in(x: Array, height: float) -> Array:
    """What is higher than all that is a twentieth of the picture's height round it, float[H,W] in [0, 1]."""
    size = max(3, round(height * 0.05)) | 1
    opened = cv2.morphologyEx(x, cv2.MORPH_OPEN, np.ones((size, size), np.uint8))
    return np.asarray(np.clip((x - opened) * 3.4 - 0.3, 0, 1), np.float32)


def signals(scene: Scene, shining: Array) -> None:
    """Traffic lights glow in the colour that the picture shows; signs reflect a little."""
    where = np.clip(scene.likely(SceneClass.TRAFFIC_LIGHT) * 1.6, 0, 1)
    if where.max() < 0.3:
        return
    blue, green, red = (plane / np.float32(255) for plane in scene.planes)
    go = spots_in(np.maximum(np.minimum(green, blue + 0.25) - red, 0), scene.height) * where * (1 - scene.sky)
    stop = small_and_red(scene) * where
    shining += (go * 4.0)[..., None] * np.array([0.75, 1.0, 0.12], np.float32)
    shining += (stop * 4.0)[..., None] * RED


def spot(shining: Array, x: float, y: float, radius: float, colour: Array) -> None:
    """Adds a round light.

    Args:
        shining: what lights shine, float32[H,W,3] BGR, linear; changed in place.
        x: of its centre, in pixels.
        y: of its centre, in pixels.
        radius: in pixels; smaller ones than a pixel get less light.
        colour: of its middle, float32[3] BGR.
    """
    height, width = shining.shape[:2]
    reach = int(np.ceil(radius * 2)) + 1
    left, right = max(0, int(x) - reach), min(width, int(x) + reach + 1)
    top, bottom = max(0, int(y) - reach), min(height, int(y) + reach + 1)
    if left >= right or top >= bottom:
        return
    across, down = np.arange(left, right) - x, np.arange(top, bottom)[:, None] - y
    share = np.exp(-(across**2 + down**2) / (2 * (0.7 * radius) ** 2)).astype(np.float32)
    shining[top:bottom, left:right] += share[..., None] * colour
