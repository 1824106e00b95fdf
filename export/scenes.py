"""Frames to verify an export on: the user's own, or synthetic scenes where there are none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from unit_edge.media.images import is_image, read_image
from unit_edge.runtime.sources.video import FileSource
from unit_edge.spread import first_of_parts
from unit_edge.train.data.dataset import list_images

MOST_FRAMES = 8
"""Frames taken of a folder or video, spread over it."""

ANY_SIZE = ((1280, 720), (480, 640), (321, 243))
"""Widths and heights of the scenes for a model that takes any: wide, portrait, odd."""


class Scene(NamedTuple):
    """A frame, uint8[H,W,3], BGR, and what a report calls it."""

    name: str
    frame: NDArray[np.uint8]


def scenes_from(path: Path) -> Iterator[Scene]:
    """Frames of a folder of images, one image, or a video.

    Raises:
        DataError: a folder without images.
        SourceError: the file, or an image of the folder, can't be read.
    """
    if path.is_dir():
        for image in first_of_parts(list_images(path), MOST_FRAMES):
            yield Scene(image.name, read_image(image))
    elif is_image(path):
        yield Scene(path.name, read_image(path))
    else:
        with FileSource(path) as source:
            for part in range(MOST_FRAMES):
                seconds = source.duration * part / MOST_FRAMES
                yield Scene(f"{path.name} at {float(seconds):.2f} s", source.frame_at(seconds).image)


def fit(frame: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """The frame in another width and height, or itself if it has them."""
    if frame.shape[1::-1] == size:
        return frame
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)


def synthetic_scenes(size: tuple[int, int] | None) -> Iterator[Scene]:
    """A bright, a dim and a dark street of sorts, always the same, in one size or in several."""
    for seed, light in enumerate((1.0, 0.6, 0.25)):
        width, height = size or ANY_SIZE[seed]
        name = f"built-in scene {seed + 1} at {width}x{height}"
        yield Scene(name, synthetic_scene(width, height, light, seed))


def synthetic_scene(width: int, height: int, light: float, seed: int) -> NDArray[np.uint8]:
    """Sky, textured ground, hard-edged blocks, lettering, lamps and sensor noise.

    Args:
        width: in pixels.
        height: in pixels.
        light: brightness, 0 to 1.
        seed: of everything that is random.

    Returns:
        uint8[H,W,3], BGR.
    """
    rng = np.random.default_rng(seed)
    horizon = height // 2
    rows = np.linspace(0, 1, height)[:, None, None]
    image = np.where(rows < 0.5, (235, 190, 150) + rows * (40, 100, 150), (90, 95, 100) + 60 * (1 - rows))
    image = np.broadcast_to(image, (height, width, 3)).copy()
    for octave in range(2, 7):
        cells = rng.normal(0, 60 / octave, (2**octave, 2**octave, 1))
        texture = cv2.resize(cells, (width, height), interpolation=cv2.INTER_CUBIC)[:, :, None]
        image[horizon:] += texture[horizon:]
    unit = max(1, min(width, height) // 24)
    for _ in range(12):
        left, tall, wide = rng.integers(0, width), rng.integers(unit, 10 * unit), rng.integers(unit, 6 * unit)
        colour = rng.uniform(20, 230, 3)
        image[max(0, horizon + unit - tall) : horizon + unit, left : left + wide] = colour
    canvas = np.clip(image * light, 0, 255).astype(np.uint8)
    white, line = (235, 235, 235), max(1, unit // 8)
    place = unit, horizon + 6 * unit
    cv2.putText(canvas, "UNIT 42", place, cv2.FONT_HERSHEY_SIMPLEX, unit / 12, white, line)
    cv2.line(canvas, (width // 2, height - 1), (width // 2 + unit, horizon), white, line, cv2.LINE_AA)
    for _ in range(4):
        centre = int(rng.integers(0, width)), int(rng.integers(0, height))
        cv2.circle(canvas, centre, max(1, unit // 3), (200, 250, 255), -1, cv2.LINE_AA)
    noisy = canvas + rng.normal(0, 4, canvas.shape)
    return np.asarray(noisy.clip(0, 255), np.uint8)
