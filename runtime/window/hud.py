"""What is written over the picture in the window: figures, messages and the keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

KEYS = (
    ("q, Esc", "quit; files are finished"),
    ("space", "pause, go on"),
    ("d", "swap the direction"),
    ("s", "input beside it"),
    ("p", "picture (PNG)"),
    ("r", "record, stop"),
    ("h", "this help"),
)
_INK, _SHADE, _RED = (255, 255, 255), 0.35, (60, 60, 255)
_LINES_OF_HEIGHT = 26
_LINE_PIXELS = (16, 48)
_KEY_COLUMN = 4  # line heights


@dataclass(frozen=True)
class Numbers:
    """What the window says of a run.

    Attributes:
        fps: translated frames a second.
        latency_ms: of the model, for one frame; None before the first.
        direction: "day to night".
        backend: what runs the model.
        age_ms: of the last frame when it was given to the window, from its capture on; None for a file.
        dropped: frames that gave way to newer ones; None where none can.
    """

    fps: float
    latency_ms: float | None
    direction: str
    backend: str
    age_ms: float | None = None
    dropped: int | None = None

    def lines(self) -> list[str]:
        figures = [f"{self.fps:.1f} FPS"]
        if self.latency_ms is not None:
            figures.append(f"model {self.latency_ms:.0f} ms")
        if self.age_ms is not None:
            figures.append(f"age {self.age_ms:.0f} ms")
        if self.dropped is not None:
            figures.append(f"dropped {self.dropped}")
        return ["  ".join(figures), f"{self.direction}  {self.backend}"]


def draw(
    image: NDArray[np.uint8],
    lines: Sequence[str],
    *,
    message: str = "",
    help_: bool = False,
    dot: bool = False,
) -> NDArray[np.uint8]:
    """A picture with words on it.

    Args:
        image: uint8[H,W,3], BGR; stays as it is.
        lines: at the top.
        message: at the bottom.
        help_: whether the keys are listed.
        dot: whether there is a red one, for a recording.

    Returns:
        A copy, uint8[H,W,3], BGR.
    """
    image = image.copy()
    height, width = image.shape[:2]
    step = int(np.clip(height // _LINES_OF_HEIGHT, *_LINE_PIXELS))
    _box(image, lines, 0, step)
    if message:
        _box(image, [message], height - 2 * step, step)
    if help_:
        _box(image, [f"{key}\t{what}" for key, what in KEYS], (len(lines) + 2) * step, step)
    if dot:
        cv2.circle(image, (width - step, step), step // 2, _RED, -1, cv2.LINE_AA)
    return image


def _box(image: NDArray[np.uint8], lines: Sequence[str], top: int, step: int) -> None:
    scale, thickness = step / 28, max(1, step // 16)
    font = cv2.FONT_HERSHEY_SIMPLEX
    texts = [
        (column * _KEY_COLUMN * step + step // 2, top + number * step, text)
        for number, line in enumerate(lines, start=1)
        for column, text in enumerate(line.split("\t"))
    ]
    widths = [left + cv2.getTextSize(text, font, scale, thickness)[0][0] for left, _, text in texts]
    bottom = min(image.shape[0], top + len(lines) * step + step // 2)
    area = image[max(0, top) : bottom, : max(widths, default=0) + step // 2]
    area[:] = (area * _SHADE).astype(np.uint8)
    for left, bottom, text in texts:
        cv2.putText(image, text, (left, bottom), font, scale, _INK, thickness, cv2.LINE_AA)
