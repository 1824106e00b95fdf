"""The frames in which most was lost or invented, with the boxes drawn, and the strip of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from unit_edge.media.png import png_bytes
from unit_edge.runtime.check.boxes import Boxes
from unit_edge.runtime.check.matching import Outcome
from unit_edge.runtime.check.pairs import Image, Pair
from unit_edge.runtime.resize import resized

KEPT, LOST, INVENTED = (80, 200, 60), (40, 40, 240), (230, 60, 230)  # BGR
_CELL_WIDTH = 640
_LABEL_HEIGHT = 26
_GAP = 4
_PAPER, _INK = 255, (40, 40, 40)


@dataclass(frozen=True)
class WorstFrame:
    """A frame that is among the worst.

    Attributes:
        picture: uint8[h,w,3] BGR, input on the left, translation on the right.
    """

    name: str
    scene: str
    lost: int
    invented: int
    boxes: int
    picture: Image

    @property
    def badness(self) -> tuple[int, float]:
        """Boxes lost or invented; of as many, the frame with fewer boxes is worse."""
        return self.lost + self.invented, -float(self.boxes)


class WorstFrames:
    """Keeps the worst few of all frames that it sees, of a clip at most one a second."""

    def __init__(self, classes: Sequence[str], count: int) -> None:
        self._classes, self._count = classes, count
        self._found: dict[tuple[str, str], WorstFrame] = {}

    def see(self, pair: Pair, outcome: Outcome) -> None:
        """Draws the pair if it is worse than another that is kept."""
        moment = pair.name if pair.seconds is None else str(int(pair.seconds))
        key = str(pair.path), moment
        lost, invented = len(outcome.lost), len(outcome.invented)
        new = WorstFrame(
            name=pair.name,
            scene=pair.scene,
            lost=lost,
            invented=invented,
            boxes=len(outcome.before),
            picture=pair.before,
        )
        if not new.badness[0] or (key in self._found and self._found[key].badness >= new.badness):
            return
        least = min(self._found, key=lambda k: self._found[k].badness) if self._found else None
        if len(self._found) == self._count and key not in self._found and least is not None:
            if self._found[least].badness >= new.badness:
                return
            del self._found[least]
        picture = self._draw(pair, outcome)
        self._found[key] = WorstFrame(
            name=pair.name,
            scene=pair.scene,
            lost=lost,
            invented=invented,
            boxes=len(outcome.before),
            picture=picture,
        )

    @property
    def frames(self) -> list[WorstFrame]:
        """The frames, the worst first."""
        return sorted(self._found.values(), key=lambda frame: frame.badness, reverse=True)

    def as_list(self) -> list[dict[str, Any]]:
        return [
            {"frame": f.name, "lost": f.lost, "invented": f.invented, "before": f.boxes} for f in self.frames
        ]

    def _draw(self, pair: Pair, outcome: Outcome) -> Image:
        height, width = pair.before.shape[:2]
        scale = min(1.0, _CELL_WIDTH / width)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        left, right = (resized(image, *size).copy() for image in (pair.before, pair.after))
        for image, boxes, kept, rest, colour in (
            (left, outcome.before, outcome.kept[:, 0], outcome.lost, LOST),
            (right, outcome.after, outcome.kept[:, 1], outcome.invented, INVENTED),
        ):
            self._outline(image, boxes.take(kept).moved((scale, scale)), KEPT, 1, named=False)
            self._outline(image, boxes.take(rest).moved((scale, scale)), colour, 2)
        # where the lost boxes were, so that the eye finds the place in the translation
        self._outline(right, outcome.before.take(outcome.lost).moved((scale, scale)), LOST, 1, named=False)
        gap = np.full((size[1], _GAP, 3), _PAPER, np.uint8)
        return np.concatenate([left, gap, right], axis=1)

    def _outline(
        self, image: Image, boxes: Boxes, colour: tuple[int, int, int], thickness: int, *, named: bool = True
    ) -> None:
        for box, score, number in zip(boxes.xyxy, boxes.scores, boxes.classes, strict=True):
            x1, y1, x2, y2 = box.round().astype(int).tolist()
            cv2.rectangle(image, (x1, y1), (x2, y2), colour, thickness)
            if named:
                _write(
                    image,
                    f"{self._classes[number]} {score:.2f}",
                    (x1, max(y1 - 3, 9)),
                    0.35,
                    colour,
                    dark=True,
                )


def strip(frames: Sequence[WorstFrame]) -> Image:
    """All of them, one above the other, each with a line that says what is wrong: uint8[H,W,3] BGR."""
    width = max((frame.picture.shape[1] for frame in frames), default=2 * _CELL_WIDTH)
    rows: list[NDArray[np.uint8]] = [_legend(width)]
    for frame in frames:
        height, own = frame.picture.shape[:2]
        row = np.full((height + _LABEL_HEIGHT + _GAP, width, 3), _PAPER, np.uint8)
        text = f"{frame.name}: {frame.lost} of {frame.boxes} lost, {frame.invented} invented"
        _write(row, text, (_GAP, _LABEL_HEIGHT - 8), 0.45, _INK)
        row[_LABEL_HEIGHT : _LABEL_HEIGHT + height, :own] = frame.picture
        rows.append(row)
    if not frames:
        rows.append(np.full((_LABEL_HEIGHT, width, 3), _PAPER, np.uint8))
        _write(rows[-1], "no frame has a lost or invented box", (_GAP, _LABEL_HEIGHT - 8), 0.45, _INK)
    return np.concatenate(rows, axis=0)


def strip_png(frames: Sequence[WorstFrame]) -> bytes:
    """The strip as a PNG file."""
    return png_bytes(strip(frames))


def _legend(width: int) -> Image:
    row = np.full((_LABEL_HEIGHT, width, 3), _PAPER, np.uint8)
    left = _GAP
    for text, colour in (("kept", KEPT), ("lost (thin: where it was)", LOST), ("invented", INVENTED)):
        cv2.rectangle(row, (left, 7), (left + 12, 19), colour, -1)
        _write(row, text, (left + 18, 18), 0.45, _INK)
        left += 40 + 7 * len(text)
    _write(row, "left: input, right: translation", (left, 18), 0.45, _INK)
    return row


def _write(
    image: Image,
    text: str,
    at: tuple[int, int],
    scale: float,
    colour: tuple[int, int, int],
    *,
    dark: bool = False,
) -> None:
    text = text.encode("ascii", "replace").decode()  # OpenCV's strokes are of ASCII
    if dark:
        (width, height), under = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
        cv2.rectangle(image, (at[0], at[1] - height), (at[0] + width, at[1] + under // 2), (0, 0, 0), -1)
    cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, 1, cv2.LINE_AA)
