"""What rain, snow and fog have in common: a grey sky, light without shadows, haze by distance."""

from __future__ import annotations

import cv2
import numpy as np

from unit_edge.train.guides.light import Array, blurred, luminance, refined
from unit_edge.train.guides.lights import RED, signals, small_and_red, spots_in
from unit_edge.train.guides.scene import Scene, SceneClass

METRES = 6.0
"""What one unit of `Scene.distance` is worth: where the road comes into a dashcam's picture."""

WHITE = np.array([0.85, 0.95, 1.0], np.float32)
"""Headlights, linear BGR."""


def transmission(scene: Scene, visibility_m: float) -> Array:
    """Share of each pixel's light that comes through the air, float[H,W] in [0, 1].

    Koschmieder's model: exp(-beta * distance), with beta = 3 / visibility, at which a twentieth of the
    contrast is left. On what stands its steps follow the picture's edges; the ground has none.

    Args:
        scene: whose distances count.
        visibility_m: meteorological visibility, in metres.
    """
    through = np.exp(np.float32(-3.0 * METRES / visibility_m) * scene.distance)
    smooth = refined(np.asarray(through, np.float32), scene.grey, max(2, scene.height // 24), 2e-3)
    own = blurred(scene.own_car, 0.02 * scene.height)
    return np.asarray(np.maximum(np.where(scene.ground, through, smooth), own), np.float32)


def hazy(light: Array, through: Array, airlight: Array) -> Array:
    """Koschmieder: light * t + airlight * (1 - t); light and airlight are float[H,W,3], t float[H,W]."""
    return np.asarray(airlight + (light - airlight) * through[..., None], np.float32)


def sky_of(scene: Scene) -> Array:
    """Where the sky is to be painted, float[H,W] in [0, 1], firmer than `Scene.sky`."""
    return np.asarray(np.clip((scene.sky - 0.08) / 0.4, 0, 1), np.float32)


def overcast_sky(scene: Scene, level: float, tint: float, rng: np.random.Generator) -> Array:
    """A closed sky, float[H,W,3]: brighter below than above, with what is left of the picture's clouds.

    Args:
        scene: whose sky keeps a part of its structure.
        level: linear light at the horizon.
        tint: 0 neutral; 1 bluish, -1 warm.
        rng: draws how it is graded and its faint clouds.
    """
    rows = (np.arange(scene.height, dtype=np.float32) + 0.5) / (scene.height * max(scene.horizon, 0.2))
    graded = 1 - rng.uniform(0.0, 0.35) * np.clip(1 - rows, 0, 1)[:, None]
    clouds = 1 + rng.uniform(0.0, 0.12) * smooth_noise(scene.height, scene.width, 3, rng)
    log = np.log(luminance(scene.light) + 0.05)
    sky = sky_of(scene)
    wide = blurred(log * sky, 0.15 * scene.height) / (blurred(sky, 0.15 * scene.height) + 1e-3)
    own = np.exp(0.2 * np.clip(log - wide, -1, 1))
    return np.asarray((level * graded * clouds * own)[..., None] * tinted(tint), np.float32)


def tinted(tint: float) -> Array:
    """Linear BGR of a grey that is bluish (1), neutral (0) or warm (-1)."""
    return np.array([1 + 0.10 * tint, 1 + 0.015 * tint, 1 - 0.07 * tint], np.float32)


def smooth_noise(height: int, width: int, cells: int, rng: np.random.Generator) -> Array:
    """Noise of two octaves, float[H,W], about -1 to 1: `cells` of the coarse one over the height."""
    total = np.zeros((height, width), np.float32)
    for octave, share in ((1, 0.7), (3, 0.45)):
        rows = max(2, cells * octave)
        grid = rng.uniform(-1, 1, (rows + 1, max(2, rows * width // height) + 1)).astype(np.float32)
        total += np.float32(share) * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    return total


def ground_noise(scene: Scene, cells: float, rng: np.random.Generator) -> Array:
    """Noise that lies on the ground, float[H,W], about -1 to 1: drawn out into the distance.

    Args:
        scene: whose horizon and vanishing point it runs to.
        cells: how many blotches lie side by side across the picture's bottom.
        rng: draws it.
    """
    grid = rng.uniform(-1, 1, (64, 64)).astype(np.float32)
    grid[:, -1], grid[-1] = grid[:, 0], grid[0]
    distance = np.minimum(1 / np.maximum(scene.below, 0.02), 30).astype(np.float32)
    x = (scene.across - scene.vanishing) * distance * np.float32(cells / 2)
    y = distance * np.float32(cells * 0.7)
    total = np.zeros_like(x)
    for octave, share in ((1.0, 0.7), (2.7, 0.5)):
        column, row = x * np.float32(octave), (y * np.float32(octave)) % 63
        column -= 63 * np.floor(column / 63)  # numpy's remainder of so many takes five times as long
        rows = np.ascontiguousarray(np.broadcast_to(row, x.shape))
        total += np.float32(share) * cv2.remap(
            grid, column, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
    return np.asarray(np.clip(total * 1.5, -1, 1), np.float32)


def ground_mask(scene: Scene, *parts: SceneClass) -> Array:
    """Where parts of the ground are, float[H,W] in [0, 1], fading out about the horizon."""
    rows = (np.arange(scene.height, dtype=np.float32)[:, None] + 0.5) / scene.height
    return np.asarray(scene.mask(*parts) * np.clip((rows - scene.horizon) / 0.08 + 0.6, 0, 1), np.float32)


def without_shadows(scene: Scene, light: Array, share: float) -> Array:
    """Light of a closed sky: sunlit patches and cast shadows of the ground come near to each other.

    Args:
        scene: whose ground is evened.
        light: float[H,W,3].
        share: of the difference that goes, 0 to 1.
    """
    ground = np.clip(
        ground_mask(scene, SceneClass.ROAD, SceneClass.SIDEWALK, SceneClass.TERRAIN) * 1.4 - 0.2, 0, 1
    )
    log = np.log(luminance(light) + 0.01)
    # lane markings are no sunlit patches
    size = max(3, round(scene.height * 0.05)) | 1
    wide = cv2.morphologyEx(log, cv2.MORPH_OPEN, np.ones((1, size), np.uint8))
    low, high = float(wide.min()), float(wide.max())
    scale = max(high - low, 1e-3)
    spread: Array = np.asarray((wide - low) / scale, np.float32)
    base = refined(spread, spread, max(2, scene.height // 14), 6e-3) * scale + low
    usual = float((base * ground).sum() / max(float(ground.sum()), 1.0))
    gain = np.exp(np.clip((usual - base) * share, -1.2, 1.2) * ground)
    return np.asarray(light * gain[..., None], np.float32)


def desaturated(light: Array, share: float) -> Array:
    """Colours nearer to grey of the same luminance: 0 leaves them, 1 takes them away."""
    grey = luminance(light)[..., None]
    return np.asarray(light + (grey - light) * np.float32(share), np.float32)


def lit_lamps(scene: Scene, strength: float) -> Array:
    """Tail lights, headlights and traffic lights that the picture shows, switched on; float[H,W,3]."""
    shining = np.zeros_like(scene.light)
    signals(scene, shining)
    if scene.vehicles:
        shining += (_tail_lights(scene) * 2.5)[..., None] * RED
        shining += (_headlamps(scene) * 2.0)[..., None] * WHITE
    return np.asarray(shining * strength, np.float32)


def _tail_lights(scene: Scene) -> Array:
    """Red spots of vehicles, float[H,W] in [0, 1]; a vehicle that is red all over has none to be seen."""
    red, where = small_and_red(scene), np.zeros((scene.height, scene.width), np.float32)
    for left, top, width, height in scene.vehicles:
        box = np.s_[top : top + height, left : left + width]
        spots = red[box] * np.clip(scene.classes[box][..., SceneClass.VEHICLE] * 1.5 - 0.3, 0, 1)
        if spots.mean() < 0.08:
            where[box] = np.maximum(where[box], spots)
    return where


def _headlamps(scene: Scene) -> Array:
    """Bright, colourless spots at the height of headlights on vehicles of the other side, float[H,W]."""
    where = np.zeros((scene.height, scene.width), np.float32)
    for left, top, width, height in scene.vehicles:
        facing = (left + width / 2) / scene.width < 0.45 and left > 0 and width < 1.8 * height
        if facing and height > 0.03 * scene.height:
            where[top + int(0.45 * height) : top + int(0.8 * height), left : left + width] = 1
    if where.max() == 0:
        return where
    blue, green, red = scene.planes
    chroma = np.maximum(np.maximum(blue, green), red) - np.minimum(np.minimum(blue, green), red)
    return np.asarray(where * spots_in(scene.grey, 0.6 * scene.height) * (chroma < 60), np.float32)
