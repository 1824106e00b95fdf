"""What can be used of a video file that a run left: whole groups of pictures, up to damage."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
from av.packet import Packet
from av.video.stream import VideoStream

from unit_edge.errors import SinkError
from unit_edge.media.containers import OPEN_OPTIONS
from unit_edge.runtime.sinks.video.fragments import ToldTimes, ends_whole, told_times

MEDIA = ".mp4"
"""Suffix of parts, which are fragmented MP4 files."""
_HOLE = bytes(512)  # what a power cut may leave in a file, and no codec writes


@dataclass(frozen=True)
class VideoPart:
    """Whole groups of pictures at the start of a video file.

    Attributes:
        path: of the file.
        packets: how many there are.
        last: the time of the last frame, in seconds of the video that is made.
        end: when that frame ends.
        late: seconds by which the file's times are later than these.
    """

    path: Path
    packets: int
    last: Fraction
    end: Fraction
    late: Fraction = Fraction(0)

    def __iter__(self) -> Iterator[Packet[VideoStream]]:
        with contextlib.suppress(_DamagedError):
            for packet in islice(_packets(self.path), self.packets):
                ticks = round(self.late / packet.time_base)
                packet.pts, packet.dts = _known(packet.pts) - ticks, _known(packet.dts) - ticks
                yield packet


def part_from(path: Path, start: Fraction) -> VideoPart:
    """A finished video as a part that begins at a time of the video that is made, in seconds.

    It was whole when it was delivered, so frames aren't decoded.

    Raises:
        SinkError: it isn't whole.
    """
    part = part_of(path, decoded=False)
    if part is None:
        raise SinkError(f"{path}: is damaged; it must be made again")
    return replace(part, late=part.late - start, last=part.last + start, end=part.end + start)


def part_of(path: Path, start: Fraction | None = None, *, decoded: bool = True) -> VideoPart | None:
    """What can be used of a file: all if it ends as it should, else what comes before its last key frame.

    `start` is the time that its first frame should have, if the file may have moved it; without `decoded`,
    damage inside of frames isn't looked for.
    """
    whole: VideoPart | None = None
    shown = list[int]()
    count, last, end, late = 0, Fraction(0), Fraction(0), Fraction(0)
    try:
        told = told_times(path) if path.suffix == MEDIA else ToldTimes([], True)
        with contextlib.closing(_packets(path, shown if decoded else None)) as packets:
            for packet in _as_told(packets, told):
                pts = _known(packet.pts) * packet.time_base - late
                if not count and start is not None:
                    late, pts = pts - start, start
                if packet.is_keyframe and count:
                    whole = VideoPart(path=path, packets=count, last=last, end=end, late=late)
                count += 1
                last, end = max(last, pts), max(end, pts + (packet.duration or 0) * packet.time_base)
        boxes_are_whole = path.suffix != MEDIA or ends_whole(path)
        if boxes_are_whole and count < len(told.decoded):
            return None  # some are missing, and it may be the first
        ends_well = boxes_are_whole and told.coherent
    except (_DamagedError, OSError):
        ends_well = False
    if ends_well and count:
        whole = VideoPart(path=path, packets=count, last=last, end=end, late=late)
    return None if whole is None or (decoded and sum(shown) < whole.packets) else whole


def _as_told(packets: Iterable[Packet[VideoStream]], told: ToldTimes) -> Iterator[Packet[VideoStream]]:
    """Packets as long as none is missing.

    Raises:
        _DamagedError: at the first that isn't decoded when the file told, or of which it told nothing.
    """
    if told.coherent and not told.decoded:
        yield from packets
    begin = 0
    for number, packet in enumerate(packets):
        time = _known(packet.dts)
        begin = begin if number else time
        if number >= len(told.decoded) or time - begin != told.decoded[number] - told.decoded[0]:
            raise _DamagedError
        yield packet


class _DamagedError(Exception):
    """A file can't be read on."""


def _known(ticks: int | None) -> int:
    assert ticks is not None, "_packets gives no packet without times"
    return ticks


def _packets(path: Path, shown: list[int] | None = None) -> Generator[Packet[VideoStream], None, None]:
    """The packets of a video in the order in which they are stored, each with its times.

    With a list `shown`, only those that can be decoded, which takes a small part of what translating them
    took; the list gets how many frames came of each.

    Raises:
        _DamagedError: where that breaks off.
    """
    early: list[Packet[VideoStream]] = []  # whose decoding time Matroska doesn't tell
    try:
        with av.open(f"file:{path}", **OPEN_OPTIONS) as container, contextlib.ExitStack() as stack:
            if not container.streams.video or container.streams.video[0].codec_context is None:
                raise _DamagedError
            stream = container.streams.video[0]
            if shown is not None:
                stack.callback(_decode_rest, stream, shown)
                stream.codec_context.options = {"err_detect": "explode"}
            for packet in container.demux(stream):
                if not packet.size:
                    continue
                if packet.is_corrupt or packet.pts is None or _HOLE in bytes(packet):
                    raise _DamagedError
                if shown is not None:
                    frames = packet.decode()
                    if any(frame.is_corrupt for frame in frames):
                        raise _DamagedError
                    shown.append(len(frames))
                early.append(packet)
                if packet.dts is not None:
                    step = packet.duration or 1
                    for ahead, waiting in enumerate(reversed(early)):
                        waiting.dts = packet.dts - ahead * step
                    yield from early
                    early = []
    except (av.FFmpegError, OSError):
        raise _DamagedError from None


def _decode_rest(stream: VideoStream, shown: list[int]) -> None:
    """Adds the frames that the decoder still has."""
    with contextlib.suppress(av.FFmpegError, OSError):
        shown.append(len(stream.codec_context.decode(None)))
