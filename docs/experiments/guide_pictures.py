"""The guides' renderings of a made-up street, for the docs: pictures of research data may not be passed on.

python docs/experiments/guide_pictures.py docs/samples/guides.jpg

Above are the street and its classes, below two draws of night, rain, snow and fog.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from unit_edge.train.guides import RENDERERS
from unit_edge.train.guides.scene import SceneClass

HEIGHT, WIDTH = 216, 384
SCALE = 2
"""The street is drawn this much larger, and shrunk, so that its edges are smooth."""
CAMERA_M, KERB_M, FACADE_M = 1.4, 5.5, 8.5
BGR = tuple[float, float, float]
Mask = NDArray[np.bool_]


@dataclass
class Street:
    """A street along the view, painted from far to near; lengths are metres, x to the right, y up, z away."""

    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(5))
    height: int = SCALE * HEIGHT
    width: int = SCALE * WIDTH

    def __post_init__(self) -> None:
        self.focal, self.horizon, self.middle = 0.75 * self.width, 0.47 * self.height, 0.48 * self.width
        self.rows, self.columns = np.mgrid[: self.height, : self.width].astype(np.float32)
        self.image = np.zeros((self.height, self.width, 3), np.float32)
        self.labels = np.full((self.height, self.width), -1)

    def paint(
        self, where: Mask, part: SceneClass, colour: BGR, shade: NDArray[np.float32] | float = 1.0
    ) -> None:
        """Gives pixels a class and a colour, times a shade of their own."""
        shades = np.broadcast_to(np.asarray(shade, np.float32), where.shape)[where]
        self.image[where] = np.asarray(colour, np.float32) * shades[:, None]
        self.labels[where] = part

    def noise(self, cells: int) -> NDArray[np.float32]:
        """Soft noise of about -1 to 1, over the picture."""
        grid = self.rng.normal(0, 0.5, (cells, 2 * cells)).astype(np.float32)
        return np.asarray(cv2.resize(grid, (self.width, self.height), interpolation=cv2.INTER_CUBIC))

    def box(self, x: tuple[float, float], y: tuple[float, float], z: float) -> Mask:
        """The pixels of a rectangle that faces the camera."""
        left, right = (self.middle + self.focal * side / z for side in x)
        low, high = (self.horizon - self.focal * (side - CAMERA_M) / z for side in y)
        inside = (self.columns >= left) & (self.columns < right) & (self.rows < low) & (self.rows >= high)
        return np.asarray(inside)

    def sky(self) -> None:
        up = 1 - self.rows / self.horizon
        clouds = np.clip(self.noise(4) + 0.5 * self.noise(11), 0, 1)[..., None] * 0.8
        blue = np.array([235, 200, 165]) + np.clip(up, 0, 1)[..., None] * np.array([-25, -50, -75])
        self.image[:] = blue + clouds * (np.array([245, 243, 240]) - blue)
        self.labels[:] = SceneClass.SKY

    def ground(self) -> None:
        below = self.rows > self.horizon + 1
        z = CAMERA_M * self.focal / np.maximum(self.rows - self.horizon, 1)
        x = (self.columns - self.middle) * z / self.focal
        grain = 1 + 0.06 * self.noise(90) + 0.05 * self.noise(20)
        self.paint(below, SceneClass.SIDEWALK, (150, 156, 160), grain)
        self.paint(below & (np.abs(x) < KERB_M), SceneClass.ROAD, (104, 104, 106), grain)
        for line, dash in ((-1.7, True), (1.7, True), (-5.2, False), (5.2, False)):
            broken = (z % 9 < 4) | (not dash)
            self.paint(below & (np.abs(x - line) < 0.08) & broken, SceneClass.ROAD, (215, 220, 222))

    def facades(self, side: int) -> None:
        across = np.maximum(side * (self.columns - self.middle), 1)
        z = FACADE_M * self.focal / across
        y = CAMERA_M - (self.rows - self.horizon) * z / self.focal
        begin = 5.0
        while begin < 160:
            deep, tall = self.rng.uniform(9, 20), self.rng.uniform(7, 17)
            wall = (z >= begin) & (z < begin + deep) & (y >= 0) & (y < tall)
            red = self.rng.uniform(0, 1)
            colour = (105 + 70 * (1 - red), 125 + 55 * (1 - red), 165 + 25 * (1 - red))
            self.paint(wall, SceneClass.BUILDING, colour, 1 + 0.05 * self.noise(60))
            window = wall & (y % 3.2 > 1.0) & (y % 3.2 < 2.6) & ((z - begin) % 2.8 > 0.9) & (y < tall - 0.7)
            self.paint(window, SceneClass.BUILDING, (92, 84, 76), 1 + 0.3 * self.noise(40))
            begin += deep + (self.rng.uniform(1, 4) if self.rng.uniform() < 0.4 else 0)

    def tree(self, x: float, z: float) -> None:
        self.paint(self.box((x - 0.15, x + 0.15), (0, 3), z), SceneClass.VEGETATION, (50, 62, 76))
        centre = self.middle + self.focal * x / z, self.horizon - self.focal * (4.4 - CAMERA_M) / z
        radius = self.focal * 2.1 / z
        away = np.hypot(self.columns - centre[0], 0.85 * (self.rows - centre[1])) / radius
        leaves = self.noise(80)
        crown = away + 0.25 * leaves + 0.15 * self.noise(30) < 1
        light = 0.75 + 0.35 * leaves - 0.3 * np.clip((self.rows - centre[1]) / radius, -1, 1)
        self.paint(crown, SceneClass.VEGETATION, (52, 110, 84), np.clip(light, 0.3, 1.4).astype(np.float32))

    def lamp_post(self, x: float, z: float) -> None:
        grey: BGR = (88, 90, 92)
        inwards = -np.sign(x) * 1.6
        self.paint(self.box((x - 0.07, x + 0.07), (0, 7.5), z), SceneClass.POLE, grey)
        arm = min(x, x + inwards), max(x, x + inwards)
        self.paint(self.box(arm, (7.4, 7.55), z), SceneClass.POLE, grey)

    def traffic_light(self, x: float, z: float) -> None:
        self.paint(self.box((x - 0.08, x + 0.08), (0, 3), z), SceneClass.POLE, (70, 72, 72))
        self.paint(self.box((x - 0.2, x + 0.2), (3, 4.1), z), SceneClass.TRAFFIC_LIGHT, (28, 28, 26))
        self.paint(self.box((x - 0.12, x + 0.12), (3.08, 3.34), z), SceneClass.TRAFFIC_LIGHT, (170, 235, 40))

    def car(self, x: float, z: float, colour: BGR, *, oncoming: bool = False) -> None:
        def part(dx: tuple[float, float], y: tuple[float, float], colour: BGR) -> None:
            self.paint(self.box((x + dx[0], x + dx[1]), y, z), SceneClass.VEHICLE, colour)

        part((-0.85, 0.85), (0.0, 0.5), (26, 26, 28))
        part((-0.9, 0.9), (0.35, 0.95), colour)
        part((-0.72, 0.72), (0.95, 1.5), colour)
        part((-0.62, 0.62), (0.98, 1.4), (70, 64, 58))
        lamp: BGR = (225, 228, 230) if oncoming else (36, 28, 215)
        for side in (-1, 1):
            part(tuple(sorted((side * 0.6, side * 0.86))), (0.62, 0.85), lamp)  # type: ignore[arg-type]
        part((-0.25, 0.25), (0.5, 0.62), (205, 208, 210))


def street() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The picture uint8[H,W,3], BGR, and its classes uint8[H,W,11], probabilities times 255."""
    made = Street()
    made.sky()
    made.ground()
    for side in (-1, 1):
        made.facades(side)
    for z in (70.0, 46.0, 30.0):
        made.tree(-7.0, z)
        made.tree(7.2, z - 6)
        made.lamp_post(6.3, z - 2)
    made.car(-3.4, 48, (150, 150, 152), oncoming=True)
    made.car(0.2, 34, (70, 66, 62))
    made.traffic_light(6.0, 22)
    made.car(3.6, 19, (215, 216, 218))
    made.car(-3.5, 17, (84, 80, 72), oncoming=True)
    made.car(-0.1, 12, (128, 96, 60))
    made.tree(-7.0, 15)
    made.lamp_post(-6.3, 13)
    size = WIDTH, HEIGHT
    image = cv2.resize(np.clip(made.image, 0, 255), size, interpolation=cv2.INTER_AREA)
    parts = np.stack([(made.labels == part) * np.float32(255) for part in SceneClass], -1)
    classes = cv2.resize(parts, size, interpolation=cv2.INTER_AREA)
    return np.round(image).astype(np.uint8), np.round(classes).astype(np.uint8)


def coloured(classes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A colour for each class, uint8[H,W,3]."""
    levels = np.linspace(0, 250, len(SceneClass)).astype(np.uint8)
    colours = np.asarray(cv2.applyColorMap(levels[None], cv2.COLORMAP_TURBO))[0]
    return np.asarray(classes.astype(np.float32) @ colours / 255).astype(np.uint8)


def main() -> None:
    """The command line."""
    image, classes = street()
    rows = [np.hstack([image, coloured(classes)])]
    for name in ("night", "rain", "snow", "fog"):
        rows.append(np.hstack([RENDERERS[name](image, classes, np.random.default_rng(n)) for n in (1, 2)]))
    done, content = cv2.imencode(".jpg", np.vstack(rows), [cv2.IMWRITE_JPEG_QUALITY, 88])
    assert done
    Path(sys.argv[1]).write_bytes(content.tobytes())


if __name__ == "__main__":
    main()
