"""Pictures as a source and as a sink: one file, or a folder of them."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
from numpy.typing import NDArray

from unit_edge.errors import SinkError, SourceError, TruncatedError
from unit_edge.files import write_output
from unit_edge.frames import ELONGATED, Frame, VideoInfo, elongated
from unit_edge.media.containers import IMAGE_SUFFIXES, is_image, reason, refuse_pipe

_FPS = Fraction(25)  # of a folder of pictures that were frames of a video once
_JPEG_QUALITY = 95
_NAMED_AT_MOST = 5


def read_image(path: Path) -> NDArray[np.uint8]:
    """uint8[H,W,3], BGR, turned upright by its EXIF tag.

    Raises:
        SourceError: it is missing, or no picture that OpenCV reads to its end.
    """
    refuse_pipe(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise SourceError(f"{path}: no such file; expected an image") from None
    except OSError as error:
        raise SourceError(f"{path}: can't be read ({reason(error)})") from None
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    except (cv2.error, MemoryError):
        raise SourceError(
            f"{path}: claims more pixels than are read (OPENCV_IO_MAX_IMAGE_PIXELS, or 2^20 a side)"
        ) from None
    if image is None:
        raise SourceError(f"{path}: not an image, or a damaged one")
    return np.asarray(image, dtype=np.uint8)


def write_image(path: Path, image: NDArray[np.uint8]) -> None:
    """Writes a BGR picture in the format that the suffix names, whole or not at all.

    Raises:
        SinkError: the suffix is unknown, or the file can't be written.
    """
    if not is_image(path):
        raise SinkError(f"{path}: unknown image format; expected one of {', '.join(IMAGE_SUFFIXES)}")
    quality = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    done, data = cv2.imencode(path.suffix, image, quality if path.suffix.lower() in (".jpg", ".jpeg") else [])
    if not done:
        size = f"{image.shape[1]}x{image.shape[0]}"
        raise SinkError(f"{path}: {size} pixels can't be encoded in this format")
    write_output(path, data.tobytes())


def matching_images(pattern: str) -> list[Path]:
    """The pictures that a pattern fits, in the order of their names.

    Raises:
        SourceError: none does, or two have one name, so that their translations could not lie in a folder.
    """
    paths = sorted(Path(name) for name in glob.glob(pattern, recursive=True))  # noqa: PTH207
    images = [path for path in paths if path.is_file() and is_image(path)]
    if not images:
        known = ", ".join(IMAGE_SUFFIXES)
        raise SourceError(f"{pattern}: no images fit this pattern; expected files in {known}")
    first: dict[str, Path] = {}
    for path in images:
        if first.setdefault(path.name, path) != path:
            raise SourceError(f"{pattern}: {first[path.name]} and {path} have one name; translate them apart")
    return images


class ImageSource:
    """A picture, or the pictures of a folder in the order of their names; sizes may differ.

    A frame's index is its place in `paths`. Pictures that can't be read are left out, counted and named
    in a TruncatedError after the good ones.
    """

    live = False

    def __init__(self, path: Path | str) -> None:
        """`path` is of a picture or folder; a str is a pattern of pictures' names, such as "in/*.png"."""
        self._path = path
        self.paths: list[Path] = []

    @property
    def info(self) -> VideoInfo:
        return self._info

    def __enter__(self) -> ImageSource:
        if isinstance(self._path, str):
            self.paths = matching_images(self._path)
        elif self._path.is_dir():
            self.paths = sorted(path for path in self._path.iterdir() if path.is_file() and is_image(path))
            if not self.paths:
                known = ", ".join(IMAGE_SUFFIXES)
                raise SourceError(f"{self._path}: no images in this folder; expected files in {known}")
        else:
            self.paths = [self._path]
        self._frames = self._read()
        self._first = next(self._frames)
        height, width = self._first.image.shape[:2]
        self._info = VideoInfo(width, height, _FPS, frame_count=len(self.paths), time_base=1 / _FPS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def stop(self) -> None: ...

    def __iter__(self) -> Iterator[Frame]:
        yield self._first
        yield from self._frames

    def _read(self) -> Iterator[Frame]:
        bad: list[SourceError] = []
        for index, path in enumerate(self.paths):
            try:
                image = read_image(path)
                height, width = image.shape[:2]
                if elongated(width, height):
                    raise SourceError(f"{path}: {width}x{height}: {ELONGATED}")
            except SourceError as error:
                bad.append(error)
            else:
                yield Frame(image, index, index / _FPS, 1 / _FPS)
        if len(bad) == len(self.paths) == 1:
            raise bad[0]
        if len(bad) == len(self.paths):
            raise SourceError(f"{self._path}: none of its {len(bad)} images can be read")
        if bad:
            names = "; ".join(str(error) for error in bad[:_NAMED_AT_MOST])
            more = f"; and {len(bad) - _NAMED_AT_MOST} more" if len(bad) > _NAMED_AT_MOST else ""
            raise TruncatedError(f"{len(bad)} of {len(self.paths)} images were left out: {names}{more}")


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
