"""A made-up street: sky above, buildings at the sides, a road with a pole and two vehicles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unit_edge.train.guides.scene import SceneClass

HEIGHT, WIDTH = 144, 256
HORIZON = 72


def street(without: SceneClass | None = None) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A picture uint8[H,W,3], BGR, and its classes uint8[H,W,11]; a part can be left out."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    labels = np.full((HEIGHT, WIDTH), -1)

    def paint(part: SceneClass, where: tuple[slice, slice], colour: tuple[int, int, int]) -> None:
        if part is not without:
            image[where] = colour
            labels[where] = part

    paint(SceneClass.SKY, np.s_[:HORIZON, :], (230, 190, 150))
    paint(SceneClass.ROAD, np.s_[HORIZON:, :], (110, 110, 110))
    paint(SceneClass.SIDEWALK, np.s_[HORIZON:, :30], (150, 150, 150))
    paint(SceneClass.TERRAIN, np.s_[HORIZON:, 226:], (60, 110, 80))
    paint(SceneClass.BUILDING, np.s_[20:90, :40], (120, 140, 170))
    paint(SceneClass.VEGETATION, np.s_[30:86, 216:], (50, 100, 60))
    paint(SceneClass.POLE, np.s_[24:92, 60:64], (90, 90, 90))
    paint(SceneClass.TRAFFIC_LIGHT, np.s_[40:52, 180:186], (30, 30, 30))
    if without is not SceneClass.TRAFFIC_LIGHT:
        image[42:46, 181:185] = (200, 230, 20)
    paint(SceneClass.VEHICLE, np.s_[76:100, 120:150], (40, 40, 40))
    if without is not SceneClass.VEHICLE:
        image[84:88, 122:126] = image[84:88, 144:148] = (30, 20, 230)
    classes = np.stack([(labels == part) * np.uint8(255) for part in SceneClass], -1).astype(np.uint8)
    return image, classes
