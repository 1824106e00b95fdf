"""Frames that int8 ranges are measured on: the user's own, spread over a clip or a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unit_edge.errors import ConfigError, DataError
from unit_edge.export.scenes import fit
from unit_edge.media.images import is_image, read_image
from unit_edge.runtime.sources.video import FileSource
from unit_edge.spread import first_of_parts
from unit_edge.train.data.dataset import list_images
from unit_edge.train.data.video import SampledFrames

FRAMES = 200
"""Frames taken of a folder or video, unless there are fewer."""

ASPECT_TOLERANCE = 0.02
"""By how much the aspect ratio of frames may differ from a model's own frame size."""

Frame = NDArray[np.uint8]


class CalibrationFrames:
    """Frames of a video or folder, spread over it; they can be iterated again and again.

    Attributes:
        path: where they are from.
        size: width and height in pixels of every frame; None for a model that takes any.
        count: the most frames that are taken.
        taken: how many the last iteration gave.
    """

    def __init__(self, path: Path, size: tuple[int, int] | None, count: int = FRAMES) -> None:
        """Looks at the first frame.

        Raises:
            DataError: a folder without images, or a video without frames.
            SourceError: the path is missing or unreadable.
            ConfigError: the frames have another aspect ratio than the model's.
        """
        self.path, self.size, self.count = path, size, count
        self.taken = 0
        self._images = list_images(path) if path.is_dir() else [path] if is_image(path) else None
        self._every_s = 0.0
        if self._images is None:
            with FileSource(path) as source:
                self._every_s = float(source.duration) / count
        first = next(self._raw(), None)
        if first is None:
            raise DataError(f"{path}: no frame to calibrate on")
        if size is not None:
            self._check_aspect(first.shape[1], first.shape[0], size)

    def __iter__(self) -> Iterator[Frame]:
        """uint8[H,W,3], BGR."""
        self.taken = 0
        for frame in self._raw():
            self.taken += 1
            yield frame if self.size is None else fit(frame, self.size)

    def first(self, count: int) -> CalibrationFrames:
        """Fewer of them, spread over the same."""
        return CalibrationFrames(self.path, self.size, min(count, self.count))

    def _raw(self) -> Iterator[Frame]:
        if self._images is None:
            frames = iter(SampledFrames(self.path, self._every_s))
            for _ in range(self.count):
                frame = next(frames, None)
                if frame is None:
                    return
                yield frame
        else:
            for image in first_of_parts(self._images, self.count):
                yield read_image(image)

    def _check_aspect(self, width: int, height: int, size: tuple[int, int]) -> None:
        if abs(width / height / (size[0] / size[1]) - 1) > ASPECT_TOLERANCE:
            raise ConfigError(
                f"{self.path}: frames of {width}x{height} to calibrate a model of {size[0]}x{size[1]} on; "
                "expected the aspect ratio of the model's frames"
            )
