"""Frames of a video file at even intervals, upright, in the colours that the runtime will see."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from unit_edge.errors import DataError, SourceError
from unit_edge.media.clocks import exact
from unit_edge.media.colour import ToBgr
from unit_edge.media.containers import open_media, pick_stream
from unit_edge.media.demux import StoredPackets
from unit_edge.media.orientation import Orientation

_CLOCK_RESET_S = 1
_DEFAULT_FPS = Fraction(25)
_MOST_PENDING = 4096
_DAMAGED = "some of its data is damaged"


class SampledFrames:
    """The first frame of a video, and of every `every_s` seconds from it on.

    Iterates once over uint8[H,W,3], BGR, in order. Rotation that the file states is applied; the aspect
    ratio of its pixels is ignored. `fault` says afterwards whether data was damaged or missing.

    Raises:
        DataError: the file is no video, or no frame of it can be decoded.
    """

    def __init__(self, path: Path, every_s: float) -> None:
        self.fault = ""
        self._path = path
        self._every = Fraction(every_s).limit_denominator(1_000_000) or Fraction(1, 1_000_000)
        self._to_bgr: ToBgr | None = None

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        with _open(self._path) as container:
            stream = _video_stream(container, self._path)
            stream.thread_type = "AUTO"
            self._tick = exact(stream.time_base) or Fraction(1, 90_000)
            self._fps = exact(stream.average_rate) or _DEFAULT_FPS
            self._target: Fraction | None = None
            self._start: Fraction | None = None
            self._last: Fraction | None = None
            for frame in self._decode(container, stream):
                if self._wanted(frame):
                    yield self._pixels(frame)
        if self._start is None:
            raise DataError(f"{self._path}: no frame in it that can be decoded; expected a video")

    def _wanted(self, frame: VideoFrame) -> bool:
        """Whether a frame is the next sample; if it is, sets the time from which on the one after is."""
        after = Fraction(0) if self._last is None else self._last + 1 / self._fps
        self._last = after if frame.pts is None else frame.pts * self._tick
        if self._start is None:
            self._start = self._target = self._last
        if self._target is None or self._last < self._target:
            return False
        self._target = self._start + ((self._last - self._start) // self._every + 1) * self._every
        return True

    def _decode(self, container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
        """All frames that may be samples, in order; after damaged data none until the next key frame.

        Packets wait until one is due at the target or later. A key frame that comes before makes those
        that wait superfluous: they are never decoded.
        """
        pending: list[Packet[Stream]] = []
        broken = jumped = False
        for packet in self._packets(container, stream):
            time = None if packet.pts is None else packet.pts * self._tick
            if packet.is_corrupt:
                self.fault, broken = _DAMAGED, True
                continue
            if packet.is_keyframe:
                broken = False
                if pending and self._target is not None and time is not None and time <= self._target:
                    pending.clear()
                    jumped = True
            if broken:
                continue
            pending.append(packet)
            due = self._target is None or time is None or time >= self._target
            if not due and len(pending) < _MOST_PENDING:
                continue
            if jumped:
                stream.codec_context.flush_buffers()
                jumped = False
            for waiting in pending:
                broken = broken and not waiting.is_keyframe
                if broken:
                    continue
                try:
                    frames = stream.decode(waiting)
                except av.FFmpegError:
                    broken = True
                    if self._start is not None:  # a recording may begin between two key frames: no fault
                        self.fault = _DAMAGED
                else:
                    yield from (frame for frame in frames if not frame.is_corrupt)
            pending.clear()
        if jumped:
            return
        try:
            frames = stream.decode(None)
        except av.FFmpegError:
            frames = []
        yield from (frame for frame in frames if not frame.is_corrupt)

    def _packets(self, container: InputContainer, stream: VideoStream) -> Iterator[Packet[Stream]]:
        """The video's packets as they are stored, on a clock that does not go back."""
        stored = StoredPackets(container, stream)
        shift, newest = 0, None
        for packet in stored:
            if packet.stream_index != stream.index or not packet.size:
                continue
            if packet.pts is not None:
                if packet.is_keyframe and newest is not None:
                    back = newest - packet.pts - shift
                    if back * self._tick > _CLOCK_RESET_S:  # recordings that were joined byte by byte
                        shift += back + (packet.duration or 1)
                packet.pts += shift
                newest = packet.pts if newest is None else max(newest, packet.pts)
            yield packet
        if stored.fault:
            self.fault = f"it is {stored.fault}"

    def _pixels(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """uint8[H,W,3], BGR, upright; of the first frame's size."""
        self._to_bgr = self._to_bgr or ToBgr(frame.width, frame.height)
        return Orientation.of(frame).apply(self._to_bgr(frame))


def _open(path: Path) -> InputContainer:
    try:
        return open_media(path)
    except SourceError as error:
        raise DataError(f"{error}; a domain is made of images, videos and .txt lists of them") from None


def _video_stream(container: InputContainer, path: Path) -> VideoStream:
    stream = pick_stream(container, "video")
    if not isinstance(stream, VideoStream):
        raise DataError(f"{path}: no video in it; expected an image, a video, or a .txt list of them")
    return stream
