"""When things are: rates and time bases as fractions, and where a file's time begins."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from av.stream import Stream


def exact(value: Any) -> Fraction | None:
    """A rate or time base of PyAV (a Fraction, from version 19 an AVRational), or None if it isn't set."""
    return Fraction(value.numerator, value.denominator) if value else None


def timeline_start(video: Stream, audio: Stream | None) -> Fraction:
    """Seconds on the container's clock that become 0: when the first of picture and sound starts.

    Sound that starts before 0 is the encoder's run-in, which players skip.
    """
    starts = []
    if video.start_time is not None:
        starts.append(_seconds(video.start_time, video.time_base))
    if audio is not None and audio.start_time is not None:
        starts.append(max(Fraction(0), _seconds(audio.start_time, audio.time_base)))
    return min(starts, default=Fraction(0))


def _seconds(ticks: int, time_base: Any) -> Fraction:
    return ticks * (exact(time_base) or Fraction(0))
