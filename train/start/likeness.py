"""Pictures that are nearly the same, by a small grey copy of each."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_SIDE = 16
_LEVELS_AT_MOST = 4.0
"""Root mean square difference of two copies: a picture saved again, or the next frame of a standing car."""
_CONTRAST_AT_LEAST = 6.0
"""Standard deviation of a copy, below which pictures are alike because nothing is to be seen."""
_CORRELATION_AT_LEAST = 0.98
_SEQUENCE = 0.75
"""Distance of neighbours over that of pictures further apart: about 1 for pictures of different places."""


def small_copy(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """uint8[H,W,3] → float[256], grey levels of 16x16 means."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    return cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32).ravel()


def in_sequence(copies: NDArray[np.float32]) -> bool:
    """Whether pictures, float[N,256] in the order of their names, follow each other as those of a video do.

    Neighbours are then much nearer to each other than pictures further apart.
    """
    apart = len(copies) // 2
    if apart < 3:
        return False
    near = np.linalg.norm(copies[1:] - copies[:-1], axis=1).mean()
    far = np.linalg.norm(copies[apart:] - copies[:-apart], axis=1).mean()
    return bool(near < _SEQUENCE * far)


def alike(these: NDArray[np.float32], those: NDArray[np.float32]) -> list[tuple[int, int]]:
    """Which of these look like which of those: for each of these the nearest, if it is near.

    Args:
        these: float[N,256], of `small_copy`.
        those: float[M,256].

    Returns:
        Pairs of indices into both.
    """
    if not len(these) or not len(those):
        return []
    squares = (these**2).sum(1)[:, None] + (those**2).sum(1)[None] - 2 * these @ those.T
    distance = np.sqrt(np.maximum(squares, 0) / these.shape[1])
    nearest = distance.argmin(1)
    pairs = []
    for one, other in enumerate(nearest):
        a, b = these[one] - these[one].mean(), those[other] - those[other].mean()
        contrast = float(min(a.std(), b.std()))
        if distance[one, other] > _LEVELS_AT_MOST or contrast < _CONTRAST_AT_LEAST:
            continue
        if float(a @ b) >= _CORRELATION_AT_LEAST * float(np.linalg.norm(a) * np.linalg.norm(b)):
            pairs.append((one, int(other)))
    return pairs
