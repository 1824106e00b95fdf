"""Frames of a video file at even intervals, upright, in the colours that the runtime will see."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from unit_edge.errors import DataError

# As in unit_edge/runtime/media.py, which training does not import: what a network learns from and what
# it sees on a board are converted alike.
_EXACT = 1 << 1 | 1 << 13 | 1 << 14 | 1 << 18
_SWS_MATRIX = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}
_PYAV_MAJOR = int(av.__version__.partition(".")[0])
_OPEN_OPTIONS: dict[str, Any] = {"metadata_errors": "replace"} if _PYAV_MAJOR < 19 else {}
_ATTACHED_PICTURE = 1 << 10
_FORMATS_THAT_STATE_THEIR_LENGTH = {"matroska", "avi", "flv", "asf"}
_LENGTH_TOLERANCE_S = Fraction(1, 4)
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
        self._reformatter = VideoReformatter()
        self._size: tuple[int, int] | None = None

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        with _open(self._path) as container:
            stream = _video_stream(container, self._path)
            stream.thread_type = "AUTO"
            self._tick = _exact(stream.time_base) or Fraction(1, 90_000)
            self._fps = _exact(stream.average_rate) or _DEFAULT_FPS
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
        count, end, shift, newest = 0, Fraction(0), 0, None
        packets = container.demux()  # all streams: the stated length is of the longest
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                break
            except (av.FFmpegError, OSError) as error:
                self.fault = f"it is damaged or cut off ({reason(error)})"
                return
            if packet.pts is not None:
                end = max(end, (packet.pts + (packet.duration or 0)) * packet.time_base)
            if packet.stream_index != stream.index or not packet.size:
                continue
            count += 1
            if packet.pts is not None:
                if packet.is_keyframe and newest is not None:
                    back = newest - packet.pts - shift
                    if back * self._tick > _CLOCK_RESET_S:  # recordings that were joined byte by byte
                        shift += back + (packet.duration or 1)
                packet.pts += shift
                newest = packet.pts if newest is None else max(newest, packet.pts)
            yield packet
        self._check_length(container, stream, count, end)

    def _check_length(
        self, container: InputContainer, stream: VideoStream, count: int, end: Fraction
    ) -> None:
        """Sets `fault` if the container promised more than there was; FFmpeg itself just ends early."""
        formats = set(container.format.name.split(","))
        if "mov" in formats and stream.frames:
            expected = len(stream.index_entries)
            if count < expected:
                self.fault = f"it is cut off after {count} of {expected} packets"
        elif container.duration and formats & _FORMATS_THAT_STATE_THEIR_LENGTH:
            stated = Fraction((container.start_time or 0) + container.duration, av.time_base)
            if end + _LENGTH_TOLERANCE_S < stated:
                self.fault = f"it is cut off after {float(end):.1f} of {float(stated):.1f} s"

    def _pixels(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """uint8[H,W,3], BGR, upright; of the first frame's size."""
        self._size = self._size or (frame.width, frame.height)
        matrix = int(frame.colorspace)
        if matrix not in _SWS_MATRIX:
            matrix = 1 if frame.width >= 1280 or frame.height > 576 else 6
        converted = self._reformatter.reformat(
            frame, *self._size, "bgr24", src_colorspace=_SWS_MATRIX[matrix], interpolation=_EXACT
        )
        return _upright(np.asarray(converted.to_ndarray(), dtype=np.uint8), frame)


def _open(path: Path) -> InputContainer:
    try:
        # "file:", or FFmpeg would take a name with a colon for an address
        container: InputContainer = av.open(f"file:{path}", "r", **_OPEN_OPTIONS)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise DataError(
            f"{path}: not an image, a .txt list, or a video that FFmpeg can read ({reason(error)})"
        ) from None
    if container.format.name == "tty":  # FFmpeg draws text files as ANSI art
        container.close()
        raise DataError(f"{path}: a text file; expected an image, a video, or a list that ends in .txt")
    return container


def _video_stream(container: InputContainer, path: Path) -> VideoStream:
    for stream in container.streams.video:
        if not int(stream.disposition) & _ATTACHED_PICTURE and stream.codec_context is not None:
            return stream
    raise DataError(f"{path}: no video in it; expected an image, a video, or a .txt list of them")


def _upright(image: NDArray[np.uint8], frame: VideoFrame) -> NDArray[np.uint8]:
    """Turns a picture as the display matrix says that phones write, to the nearest quarter turn."""
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return image
    a, b, _, c, d, *_ = struct.unpack("=9i", bytes(matrix))  # x' = ax + cy, y' = bx + dy
    if abs(a) < abs(b):
        image, a, d = image.transpose(1, 0, 2), c, b
    return np.ascontiguousarray(image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])


def _exact(value: Any) -> Fraction | None:
    """A rate or time base of PyAV, or None if it isn't set."""
    return Fraction(value.numerator, value.denominator) if value else None


def reason(error: BaseException) -> str:
    """What an FFmpeg or operating-system error says, without its number and file name."""
    return str(getattr(error, "strerror", None) or error).strip().rstrip(".") or type(error).__name__
