"""Halos: what a translation brightens or darkens along strong edges, where the input is even."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from unit_edge.train.evaluation.metrics import Image

NEAR, FAR = 0.012, 0.045
"""Where both sides of an edge are looked at: distances from it, shares of the height."""
STRONG, EVEN = 12.0, 3.0
"""Gradients, in levels a pixel: an edge has at least the first, what is even at most the second."""
ALIKE = 6.0
"""Levels by which near and far may differ in the input."""


def halo(before: Image, after: Image) -> float:
    """How much more what lies near an edge changes than what lies farther from it, on the same side.

    Where an input is even from near a strong edge to farther away, a translation that follows things is even
    too; a filter that smears one side's change over the other is not.

    Args:
        before: the input, uint8[H,W,3], BGR.
        after: its translation, the same size.

    Returns:
        Mean over both sides of all strong edges of |(after - before) near - (after - before) far|, of
        brightness, in levels of 255; 0 if there is no such edge.
    """
    height, width = before.shape[:2]
    grey, made = (
        cv2.GaussianBlur(cv2.cvtColor(x, cv2.COLOR_BGR2GRAY), (0, 0), 1.0).astype(np.float32)
        for x in (before, after)
    )
    dx, dy = (cv2.Sobel(grey, cv2.CV_32F, *order, scale=1 / 8) for order in ((1, 0), (0, 1)))
    steep = np.hypot(dx, dy)
    y, x = np.nonzero(steep >= STRONG)
    normal = np.stack([dx[y, x], dy[y, x]]) / steep[y, x]
    changes = made - grey
    found: list[NDArray[np.float32]] = []
    for side in (-1, 1):
        places = [
            (x + side * share * height * normal[0], y + side * share * height * normal[1])
            for share in (NEAR, (NEAR + FAR) / 2, FAR)
        ]
        inside = np.ones(len(x), bool)
        for column, row in places:
            inside &= (column >= 0) & (column <= width - 1) & (row >= 0) & (row <= height - 1)
            inside &= _at(steep, column, row) <= EVEN
        near, _, far = places
        inside &= np.abs(_at(grey, *near) - _at(grey, *far)) <= ALIKE
        found.append(np.abs(_at(changes, *near) - _at(changes, *far))[inside])
    differences = np.concatenate(found)
    return float(differences.mean()) if len(differences) else 0.0


def _at(plane: NDArray[np.float32], x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
    """Values of float[H,W] nearest to n places, float[n]; places outside have those of the border."""
    height, width = plane.shape
    columns = np.clip(np.rint(x).astype(int), 0, width - 1)
    rows = np.clip(np.rint(y).astype(int), 0, height - 1)
    return np.asarray(plane[rows, columns], np.float32)
