"""The packets that a video is decoded from, and the clock that the times of its frames are put on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from unit_edge.media.containers import stated_packets
from unit_edge.media.demux import StoredPackets
from unit_edge.runtime.sources.losses import Losses

_COARSE_TICK_S = Fraction(1, 2000)
_FINEST_TIME_BASE = 2**31
_AVI_INDEX_ENTRY = 16  # bytes a frame at the end of the file


class PacketReader:
    """The packets of a file's video, in the order in which they are stored, up to the first damaged one.

    `fault` says afterwards what is wrong with the file. After a jump (not `whole`) less can be told.
    """

    def __init__(
        self, container: InputContainer, stream: VideoStream, losses: Losses, *, whole: bool = True
    ) -> None:
        self._container, self._stream, self._losses, self._whole = container, stream, losses, whole
        self.fault: str | None = None

    def __iter__(self) -> Iterator[Packet[Stream]]:
        stored = StoredPackets(self._container, self._stream, whole=self._whole)
        for packet in stored:
            of_video = packet.stream_index == self._stream.index
            self._losses.read(packet, of_video=of_video)
            if not of_video:
                continue
            if packet.is_corrupt:
                self.fault = "the file is damaged or cut off"
                return
            if packet.size:  # an empty packet would tell the decoder that the stream has ended
                yield packet
        if stored.fault:
            self.fault = f"the file is {stored.fault}"
        elif self._whole and self._container.duration:
            begin = Fraction(self._container.start_time or 0, av.time_base)
            stated = Fraction(self._container.duration, av.time_base)
            index = self._stream.frames * _AVI_INDEX_ENTRY if self._container.format.name == "avi" else 0
            self._losses.read_all(self._container.size - index, stated - (stored.end - begin))


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

    def __init__(self, tick: Fraction, fps: Fraction, first: Fraction | None = None) -> None:
        """In seconds: the container's times are multiples of `tick`, and the grid begins at `first`."""
        self._tick, self._fps = tick, fps
        denominator = math.lcm(tick.denominator, fps.numerator)
        off_grid = (1 / fps / tick).denominator != 1
        self._snap = off_grid and tick > _COARSE_TICK_S and denominator < _FINEST_TIME_BASE
        self.time_base = Fraction(1, denominator if self._snap else tick.denominator)
        self._first = first
        self.reset()

    def reset(self) -> None:
        """Takes an earlier time again, after a jump; the grid stays, so that each frame keeps its time."""
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
