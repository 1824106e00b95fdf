"""Pictures as a sink: one file, or a folder of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
from numpy.typing import NDArray

from unit_edge.errors import SinkError
from unit_edge.files.writing import write_output
from unit_edge.frames import Frame
from unit_edge.media.containers import reason
from unit_edge.media.images import IMAGE_SUFFIXES, is_image

_JPEG_QUALITY = 95


def write_image(path: Path, image: NDArray[np.uint8]) -> None:
    """Writes a BGR picture in the format that the suffix names, whole or not at all.

    Raises:
        SinkError: the suffix is unknown, or the file can't be written.
    """
    if not is_image(path):
        raise SinkError(f"{path}: unknown image format; expected one of {', '.join(IMAGE_SUFFIXES)}")
    quality = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY] if path.suffix.lower() in (".jpg", ".jpeg") else []
    try:
        done, data = cv2.imencode(path.suffix, image, quality)
    except cv2.error:  # this OpenCV was built without the format
        done = False
    if not done:
        size = f"{image.shape[1]}x{image.shape[0]}"
        raise SinkError(f"{path}: {size} pixels can't be encoded in this format")
    write_output(path, data.tobytes())


class ImageSink:
    """Writes each frame to the path of its index, whole or not at all."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths

    def __enter__(self) -> ImageSink:
        self._made: list[Path] = []
        for folder in {path.parent for path in self._paths}:
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            except OSError as error:
                raise SinkError(f"{folder}: this folder can't be made ({reason(error)})") from None
            self._made.append(folder)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for folder in self._made:
            if not any(folder.iterdir()):
                folder.rmdir()

    def cut_short(self) -> None: ...

    def write(self, frame: Frame) -> None:
        write_image(self._paths[frame.index], frame.image)
