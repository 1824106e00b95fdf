"""How dark and bright images are, and their sky and road: translations, and the target domain's own."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from unit_edge.train.evaluation.metrics import Image
from unit_edge.train.guides.scene import SceneClass

Classes = Callable[[Image], NDArray[np.uint8]]
"""Image uint8[H,W,3], BGR → its classes, uint8[h,w,11], probabilities times 255, as `Segmenter` gives."""

PARTS = {"sky": SceneClass.SKY, "road": SceneClass.ROAD}
LEVELS = {"dark": 10, "bright": 90, "brightest": 99}
"""Name → percentile of an image's pixels."""
SURE = 204
"""Probability times 255 from which on a pixel is one of a part: its border is left out."""
LEAST = 0.01
"""Share of an image's pixels that a part has at least, or else it isn't there."""


def luminances(image: Image, classes: NDArray[np.uint8]) -> dict[str, float]:
    """Mean brightness of the parts that are there.

    Args:
        image: whose brightness is asked for, uint8[H,W,3], BGR.
        classes: of that image, or of the one that it is a translation of, uint8[h,w,11].

    Returns:
        Names in `PARTS` → BT.601 luma, 0 to 255.
    """
    height, width = classes.shape[:2]
    grey = cv2.cvtColor(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)
    masks = {name: classes[..., part] >= SURE for name, part in PARTS.items()}
    return {name: float(grey[mask].mean()) for name, mask in masks.items() if mask.mean() >= LEAST}


def levels(image: Image) -> dict[str, float]:
    """BT.601 luma, 0 to 255, that the share of an image's pixels in `LEVELS` has at most.

    Args:
        image: uint8[H,W,3], BGR.
    """
    found = np.percentile(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), list(LEVELS.values()))
    return dict(zip(LEVELS, map(float, found), strict=True))
