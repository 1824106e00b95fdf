"""A contact sheet: moments of a clip on the left, their translations on the right."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from unit_edge.errors import ConfigError
from unit_edge.media.images import is_image, read_image
from unit_edge.runtime.resize import resized
from unit_edge.runtime.sinks.images import write_image
from unit_edge.runtime.sources.video import FileSource

_CELL_WIDTH = 640
_GAP = 4
_LABEL_HEIGHT = 22
_PAPER = 255
_INK = (40, 40, 40)


def contact_sheet(
    before: Path, after: Path, output: Path, *, count: int = 6, start: Fraction = Fraction(0)
) -> None:
    """Writes a picture of `count` moments spread over a video, or of one pair of images.

    Args:
        before: the input.
        after: its translation.
        output: the picture's file.
        count: how many moments.
        start: the moment of `before`, in seconds, that `after` begins with.

    Raises:
        SourceError: one of the two can't be read.
        SinkError: the sheet can't be written.
    """
    if count < 1:
        raise ConfigError(f"{count} moments on a sheet; expected 1 or more")
    rows = [_row(left, right, label) for left, right, label in _moments(before, after, count, start)]
    write_image(output, np.concatenate(rows, axis=0))


def _moments(
    before: Path, after: Path, count: int, start: Fraction
) -> list[tuple[NDArray[np.uint8], NDArray[np.uint8], str]]:
    """(before, after, label) for each row."""
    if is_image(before):
        return [(read_image(before), read_image(after), "")]
    with FileSource(before) as left, FileSource(after) as right:
        # The translation may be shorter, if its source was cut off or the user stopped it.
        length = max(min((left.duration or Fraction(0)) - start, right.duration or Fraction(0)), Fraction(0))
        times = [length * (2 * place + 1) / (2 * count) for place in range(count)]
        return [
            (left.frame_at(start + time).image, right.frame_at(time).image, f"{float(start + time):.1f} s")
            for time in times
        ]


def _row(before: NDArray[np.uint8], after: NDArray[np.uint8], label: str) -> NDArray[np.uint8]:
    height, width = before.shape[:2]
    cell_height = max(1, round(height * min(width, _CELL_WIDTH) / width))
    # of a translation side by side with its frame, the picture is wider
    widths = [max(1, round(image.shape[1] * cell_height / image.shape[0])) for image in (before, after)]
    paper_width = sum(widths) + _GAP * (len(widths) + 1)
    row = np.full((_LABEL_HEIGHT + cell_height + _GAP, paper_width, 3), _PAPER, dtype=np.uint8)
    left = _GAP
    for image, cell_width, name in zip((before, after), widths, ("before", "after"), strict=True):
        row[_LABEL_HEIGHT : _LABEL_HEIGHT + cell_height, left : left + cell_width] = resized(
            image, cell_width, cell_height
        )
        where = (left + 2, _LABEL_HEIGHT - 7)
        text = f"{name}  {label}".strip()
        cv2.putText(row, text, where, cv2.FONT_HERSHEY_SIMPLEX, 0.45, _INK, 1, cv2.LINE_AA)
        left += cell_width + _GAP
    return row
