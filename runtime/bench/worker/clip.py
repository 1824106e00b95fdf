"""A clip as often as it takes: a source whose frames end after a count or a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType

from unit_edge.frames import Frame, VideoInfo
from unit_edge.runtime.sources.video import FileSource


class RepeatedClip:
    """A video file that begins again at its end; times and numbers of its frames go on.

    It ends when `frames` were given, or with the first that would come later than `seconds` after the first
    was asked for. Opening the file again is part of reading it.
    """

    live = False

    def __init__(
        self,
        path: Path,
        *,
        frames: int | None = None,
        seconds: float | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._path, self._frames, self._seconds, self._clock = path, frames, seconds, clock

    @property
    def info(self) -> VideoInfo:
        return self._info

    def __enter__(self) -> RepeatedClip:
        self._source = FileSource(self._path).__enter__()
        # what the first pass states is true of one pass only
        self._info = replace(self._source.info, frame_count=self._frames, has_audio=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._source.__exit__(kind, error, trace)

    def stop(self) -> None: ...

    def __iter__(self) -> Iterator[Frame]:
        begin, index, offset = self._clock(), 0, Fraction(0)
        while True:
            end = offset
            for frame in self._source:
                late = self._seconds is not None and self._clock() - begin > self._seconds
                if index == self._frames or (late and index > 0):
                    return
                pts = offset + frame.pts
                end = pts + (frame.duration or 1 / self._info.fps)
                yield replace(frame, index=index, pts=pts)
                index += 1
            offset = end
            self._source.__exit__(None, None, None)
            self._source = FileSource(self._path).__enter__()
