"""Packets of a video file, the clock that their times are put on, and how a cut-off file is noticed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from unit_edge.runtime.media import reason

# The length in the header of these formats is of the whole recording, even where the file was cut
# off later; other demuxers measure what is there.
_FORMATS_THAT_STATE_THEIR_LENGTH = {"mov", "matroska", "avi", "flv", "asf"}
_LENGTH_TOLERANCE_S = Fraction(1, 4)
_COARSE_TICK_S = Fraction(1, 2000)
_FINEST_TIME_BASE = 2**31


class PacketReader:
    """The packets of one stream, in the order in which they are stored.

    `fault` says afterwards what is wrong with the file; FFmpeg itself often just ends early.
    """

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self._container, self._stream = container, stream
        self.fault: str | None = None

    def __iter__(self) -> Iterator[Packet[Stream]]:
        count, end = 0, Fraction(0)
        packets = self._container.demux()  # all streams: the stated length is of the longest
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                break
            except (av.FFmpegError, OSError) as error:
                self.fault = f"the file is damaged or cut off: {reason(error)}"
                return
            if packet.dts is None and not packet.size:  # PyAV's sign that there are no more
                continue
            if packet.pts is not None:
                end = max(end, (packet.pts + (packet.duration or 0)) * packet.time_base)
            if packet.stream_index != self._stream.index:
                continue
            count += 1
            if packet.is_corrupt:
                self.fault = "the file is damaged or cut off"
                return
            if packet.size:  # an empty packet would tell the decoder that the stream has ended
                yield packet
        self.fault = self._missing(count, end)

    def _missing(self, count: int, end: Fraction) -> str | None:
        expected = stated_packets(self._container, self._stream)
        if expected is not None:
            return f"the file is cut off: {count} of {expected} packets" if count < expected else None
        duration = self._container.duration
        formats = set(self._container.format.name.split(","))
        if duration is None or not formats & _FORMATS_THAT_STATE_THEIR_LENGTH:
            return None
        stated = Fraction((self._container.start_time or 0) + duration, av.time_base)
        if end + _LENGTH_TOLERANCE_S < stated:
            return f"the file is cut off: {float(end):.1f} of {float(stated):.1f} s"
        return None


def stated_packets(container: InputContainer, stream: VideoStream) -> int | None:
    """How many packets the index of an MP4 or MOV file lists, edit lists respected; else None."""
    if "mov" not in container.format.name.split(",") or not stream.frames:
        return None
    return len(stream.index_entries)


def stated_frames(container: InputContainer, stream: VideoStream) -> int | None:
    """How many frames the container says it will show, or None where it doesn't say."""
    if stated_packets(container, stream) is None:
        return stream.frames or None
    return sum(not entry.is_discard for entry in stream.index_entries)


class Clock:
    """Presentation times that always move forward, on the frame rate's grid where one is meant.

    Matroska and FLV round times to milliseconds, which turns 30000/1001 into a rate that jitters; a
    time within one such tick of the grid is put back on it.
    """

    def __init__(self, tick: Fraction, fps: Fraction) -> None:
        """`tick` is what the container's times are multiples of, in seconds."""
        self._tick, self._fps = tick, fps
        denominator = math.lcm(tick.denominator, fps.numerator)
        off_grid = (1 / fps / tick).denominator != 1
        self._snap = off_grid and tick > _COARSE_TICK_S and denominator < _FINEST_TIME_BASE
        self.time_base = Fraction(1, denominator if self._snap else tick.denominator)
        self.reset()

    def reset(self) -> None:
        """Starts anew, after a jump."""
        self._first: Fraction | None = None
        self._last: Fraction | None = None

    def next(self, pts: Fraction | None) -> Fraction:
        """The time of the next frame in seconds, given what the container says, if it says anything."""
        if pts is None:
            pts = Fraction(0) if self._last is None else self._last + 1 / self._fps
        if self._first is None:
            self._first = pts
        if self._snap:
            on_grid = self._first + round((pts - self._first) * self._fps) / self._fps
            if abs(on_grid - pts) <= self._tick:
                pts = on_grid
        if self._last is not None and pts <= self._last:
            pts = self._last + self.time_base
        self._last = pts
        return pts
