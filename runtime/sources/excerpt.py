"""A part of a video file: found by seeking, exact to the frame."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av

from unit_edge.errors import ConfigError, SourceError
from unit_edge.frames import Frame, VideoInfo
from unit_edge.runtime.sources.video import FileSource

# Some formats jump to where a decoder can't begin, or past the time that was asked for; so each try begins
# that many seconds earlier, and the last one at the start of the file.
LEADS_S = (Fraction(1), Fraction(10), None)


@dataclass(frozen=True)
class Excerpt:
    """Which part of a file is wanted.

    Attributes:
        start: in seconds; the frames from then on, whose times begin at 0 again.
        duration: in seconds, or None for all that is left.
    """

    start: Fraction = Fraction(0)
    duration: Fraction | None = None

    def __post_init__(self) -> None:
        if self.start < 0:
            raise ConfigError(f"start {float(self.start):g} s: expected 0 or more")
        if self.duration is not None and self.duration <= 0:
            raise ConfigError(f"duration {float(self.duration):g} s: expected more than 0")

    def __bool__(self) -> bool:
        return self.start > 0 or self.duration is not None

    @property
    def end(self) -> Fraction | None:
        """Seconds from the start of the file, exclusive."""
        return None if self.duration is None else self.start + self.duration


class ExcerptSource(FileSource):
    """The frames of a file with start <= time < start + duration, at their times less `start`."""

    def __init__(self, path: Path, excerpt: Excerpt, *, skip: Fraction = Fraction(0)) -> None:
        """The frames of the excerpt's first `skip` seconds are left out; there may be none after them."""
        super().__init__(path)
        self._excerpt, self._skip = excerpt, skip

    @property
    def info(self) -> VideoInfo:
        """`frame_count` is worked out from the stated length, and so is near the truth only."""
        info = super().info
        if not self._excerpt:
            left_out = round(self._skip * info.fps)
            return replace(
                info, frame_count=max(0, info.frame_count - left_out) if info.frame_count else None
            )
        if not self.duration:
            return info
        left = max(Fraction(0), self.duration - self._excerpt.start)
        seconds = left if self._excerpt.duration is None else min(left, self._excerpt.duration)
        # Times of the excerpt need not be multiples of the file's ticks.
        ticks = math.lcm(info.time_base.denominator, self._excerpt.start.denominator)
        time_base = Fraction(1, ticks) if ticks <= 10**6 else info.time_base
        count = math.ceil(max(Fraction(0), seconds - self._skip) * info.fps)
        return replace(info, frame_count=count, time_base=time_base)

    def __iter__(self) -> Iterator[Frame]:
        start, end = self._excerpt.start, self._excerpt.end
        index = 0
        for frame in self._from(start + self._skip):
            if frame.pts < start + self._skip:
                continue
            if end is not None and frame.pts >= end:
                break
            yield replace(frame, index=index, pts=frame.pts - start)
            index += 1
        if index == 0 and not self._skip:
            length = f"; it is {float(self.duration):.2f} s long" if self.duration else ""
            raise SourceError(f"{self._path}: no frame at {float(start):g} s or after{length}")

    def _from(self, start: Fraction) -> Iterator[Frame]:
        """Frames from one before `start` on, or from the first one."""
        if start <= LEADS_S[0]:
            yield from super().__iter__()
            return
        for lead in LEADS_S:
            begin = Fraction(0) if lead is None else max(Fraction(0), start - lead)
            frames = self._after_jump(begin)
            try:
                first = next(frames, None)
            except (SourceError, av.FFmpegError):
                if lead is None:
                    raise
                continue
            if first is not None and (first.pts <= start or begin == 0):
                yield first
                yield from frames
                return

    def _after_jump(self, begin: Fraction) -> Iterator[Frame]:
        self._clock.reset()
        self._container.seek(int((begin + self._start) / self._tick), stream=self._stream)
        self._decoded = self._decode(whole=False)
        for index, decoded in enumerate(self._decoded):
            yield self._frame(decoded, index)
