"""Raw BGR frames on a pipe, such as ffmpeg writes them; the writer is held up, no frame is lost."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Iterator
from fractions import Fraction
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from unit_edge.errors import SourceError, TruncatedError
from unit_edge.frames import Frame, VideoInfo

_LOOK_UP_S = 0.2


class RawSource:
    """Frames of one size, one after the other, at an even rate."""

    live = False

    def __init__(
        self, size: tuple[int, int], fps: Fraction, *, descriptor: int = 0, name: str = "stdin"
    ) -> None:
        """`size` is width and height; `descriptor` of the open file that is read, stdin if none is given."""
        self._size, self._fps, self._descriptor, self._name = size, fps, descriptor, name
        self._bytes = size[0] * size[1] * 3
        self._stopped = threading.Event()

    @property
    def info(self) -> VideoInfo:
        return VideoInfo(*self._size, self._fps, time_base=Fraction(1, self._fps.numerator))

    def __enter__(self) -> RawSource:
        if os.isatty(self._descriptor):
            raise SourceError(
                f"{self._name}: a terminal; expected raw frames from a pipe: ffmpeg ... | unit-edge"
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def stop(self) -> None:
        self._stopped.set()

    def __iter__(self) -> Iterator[Frame]:
        index = 0
        while (image := self._read(index)) is not None:
            yield Frame(image=image, index=index, pts=index / self._fps, duration=1 / self._fps)
            index += 1

    def _read(self, index: int) -> NDArray[np.uint8] | None:
        """The next frame, or None at the end."""
        width, height = self._size
        image = np.empty((height, width, 3), np.uint8)
        left = image.data.cast("B")
        while left:
            if self._stopped.is_set():
                return None
            if not select.select([self._descriptor], [], [], _LOOK_UP_S)[0]:
                continue
            count = os.readv(self._descriptor, [left])
            if count == 0:
                break
            left = left[count:]
        if not left:
            return image
        if index == 0 and len(left) == self._bytes:
            raise SourceError(f"{self._name}: no frame came; expected {self._bytes} bytes of BGR for each")
        if len(left) == self._bytes:
            return None
        kind = TruncatedError if index else SourceError
        raise kind(
            f"{self._name}: ended {self._bytes - len(left)} bytes into frame {index}, which has "
            f"{self._bytes} as {width}x{height} BGR; check --raw-size, and that the writer wasn't cut off"
        )
