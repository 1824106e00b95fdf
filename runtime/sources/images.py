"""Pictures as a source: one file, a folder of them, or a pattern of names."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType

from unit_edge.errors import SourceError, TruncatedError
from unit_edge.frames import ELONGATED, Frame, VideoInfo, elongated
from unit_edge.media.images import IMAGE_SUFFIXES, is_image, read_image

_FPS = Fraction(25)  # of a folder of pictures that were frames of a video once
_NAMED_AT_MOST = 5


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
                yield Frame(image=image, index=index, pts=index / _FPS, duration=1 / _FPS)
        if len(bad) == len(self.paths) == 1:
            raise bad[0]
        if len(bad) == len(self.paths):
            raise SourceError(f"{self._path}: none of its {len(bad)} images can be read")
        if bad:
            names = "; ".join(str(error) for error in bad[:_NAMED_AT_MOST])
            more = f"; and {len(bad) - _NAMED_AT_MOST} more" if len(bad) > _NAMED_AT_MOST else ""
            raise TruncatedError(f"{len(bad)} of {len(self.paths)} images were left out: {names}{more}")
