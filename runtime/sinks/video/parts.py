"""A video that isn't whole yet: parts in a hidden folder beside it, which a later run can go on from.

Each run writes one part, a fragmented MP4 without sound: whatever ends the run, its whole groups of pictures
can be read, by any player too.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Generator, Iterator, Mapping, Set
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

import av
from av.packet import Packet
from av.video.stream import VideoStream

from unit_edge.errors import SinkError
from unit_edge.files.reading import parse_json, read_json
from unit_edge.files.writing import open_unlinked, replacing
from unit_edge.media.containers import OPEN_OPTIONS
from unit_edge.runtime.sinks.video.fragments import coherent_frames
from unit_edge.text.numbers import fraction

try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = None  # type: ignore[assignment]

_ABOUT, _LOCK = "about.json", "lock"
_MARK = "unit-edge, cut short: "  # in the comment of a finished video that ends before its source
_JOINED = "joined"
_OTHERS_WRITE = 0o022
_DIGITS = 9
_MEDIA = ".mp4"
_HOLE = bytes(512)  # what a power cut may leave in a file, and no codec writes

ROUNDED_S = Fraction(1, 1500)
"""Seconds that a time may be off in files that round it to milliseconds."""


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


@dataclass(frozen=True)
class Kept:
    """What earlier runs have left of a video.

    Attributes:
        parts: at least one.
        stream: stands for how they are encoded.
        start: the time of the first frame, in seconds.
    """

    parts: tuple[VideoPart, ...]
    stream: str
    start: Fraction

    @property
    def frames(self) -> int:
        return sum(part.packets for part in self.parts)

    @property
    def last(self) -> Fraction:
        """The time of the last frame, in seconds of the video."""
        return self.parts[-1].last

    @property
    def end(self) -> Fraction:
        """When the last frame ends, in seconds of the video."""
        return self.parts[-1].end


class VideoParts:
    """The folder of a video's parts, for one run; a context manager.

    Who writes sets `worthwhile` when there is something that a later run can use: then the folder stays if
    `with` is left by an Exception. In all other cases it goes.
    """

    def __init__(self, output: Path, kept: Kept | None = None) -> None:
        self._output, self._kept = output, kept
        self.folder = _folder(output)
        self.worthwhile = kept is not None

    def __enter__(self) -> VideoParts:
        try:
            self.folder.mkdir(mode=0o700)
        except FileExistsError:
            self._refuse_foreign()
        try:
            self._locked = open_unlinked(self.folder / _LOCK, os.O_WRONLY)
        except OSError as error:
            raise SinkError(f"{self.folder / _LOCK}: {error.strerror or error}") from None
        try:
            self._lock(self._locked)
            keep = {part.path for part in self._kept.parts} if self._kept is not None else set()
            self._empty(keep | {self.folder / _ABOUT} if keep else keep)
            self._continues = self._output in keep
            used = [int(path.stem) for path in keep if path != self._output]
            self.media = self.folder / f"{max(used, default=0) + 1}{_MEDIA}"
            self.joined = self.folder / f"{_JOINED}{self._output.suffix}"
        except BaseException:
            os.close(self._locked)
            raise
        return self

    def _refuse_foreign(self) -> None:
        """Raises SinkError if others made the folder, or could have put something into it."""
        about = self.folder.lstat()
        if stat.S_ISLNK(about.st_mode):  # what lies elsewhere isn't ours to empty
            raise SinkError(f"{self.folder}: is a link; remove it, the parts of {self._output} go there")
        if not stat.S_ISDIR(about.st_mode):
            raise SinkError(f"{self.folder}: is no folder; remove it, the parts of {self._output} go there")
        if os.name != "posix":
            return
        if about.st_uid != os.geteuid():
            raise SinkError(
                f"{self.folder}: belongs to another user; expected the parts of {self._output} there: give "
                "another output"
            )
        if about.st_mode & _OTHERS_WRITE:
            raise SinkError(
                f"{self.folder}: others may write there; remove it, or `chmod go-w` if you know what is in it"
            )

    def begin(self, making: Mapping[str, Any], stream: str) -> None:
        """Says what the video is made from and how it is encoded, so that a later run can go on.

        Raises:
            SinkError: what was kept is encoded otherwise.
        """
        if self._kept is not None and self._kept.stream != stream:
            raise SinkError(
                f"{self._output}: was begun with another version of the encoder; add --overwrite instead of "
                "--resume to start over"
            )
        about = {"making": making, "stream": stream, "continues": self._continues}
        if self._kept is not None:
            about["start"] = str(self._kept.start)
        with replacing(self.folder / _ABOUT, durable=True) as temporary:
            temporary.write_text(json.dumps(about, indent=1) + "\n")

    def _lock(self, file: int) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SinkError(f"{self._output}: is being written by another run; give another output") from None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not (self.worthwhile and isinstance(error, Exception)):
            with contextlib.suppress(OSError):
                self._empty(set())
                (self.folder / _LOCK).unlink()
                self.folder.rmdir()
        os.close(self._locked)

    def _empty(self, keep: Set[Path]) -> None:
        """Removes what runs leave in the folder, and nothing else."""
        for path in [
            *_media(self._output),
            *self.folder.glob(f"{_JOINED}.*"),
            *self.folder.glob(f"*{_ABOUT}*"),
        ]:
            if path not in keep:
                path.unlink()


def mark(making: Mapping[str, Any], stream: str, start: Fraction) -> str:
    """The comment of a video that ends before its source, by which it can be gone on with.

    `start` is the time of the first frame in seconds; some file types move it where sound starts before 0.
    """
    return _MARK + json.dumps({"making": making, "stream": stream, "start": str(start)})


def part_comment(start: Fraction, time_base: Fraction) -> str:
    """The comment of a part: when its first frame is shown in the video, and its ticks, both in seconds."""
    return json.dumps({"start": str(start), "time_base": str(time_base)})


def find_kept(output: Path, making: Mapping[str, Any]) -> Kept | None:
    """What there is of an output to go on from, or None if there is nothing.

    Raises:
        SinkError: it was made from something else, or that can't be told.
    """
    about = _read_about(output) or (_marked(output) if output.exists() else None)
    if about is None:
        return None
    others = [name for name in making if about["making"].get(name) != making[name]]
    if others:
        raise SinkError(
            f"{output}: was begun with another {', '.join(others)}; repeat that one, or add --overwrite "
            "instead of --resume to start over"
        )
    start = fraction(about.get("start", "0"))
    if start is None:
        return None
    finished = _part(output, start) if about.get("continues", True) and output.exists() else None
    parts = [finished, *_whole(output)]
    whole = tuple(part for part in parts if part is not None)
    return Kept(whole, str(about.get("stream")), start) if whole else None


def complete(output: Path) -> bool:
    """Whether an output is there and nothing says that it was cut short."""
    return output.exists() and not (_folder(output) / _ABOUT).exists() and _marked(output) is None


def interrupted(output: Path) -> bool:
    """Whether an earlier run has left parts of an output that could be gone on with."""
    with contextlib.suppress(SinkError):
        if _read_about(output) is None:
            return False
    return any(True for _ in _whole(output, decoded=False))


def part_from(path: Path, start: Fraction) -> VideoPart:
    """A finished video as a part that begins at a time of the video that is made, in seconds.

    It was whole when it was delivered, so frames aren't decoded.

    Raises:
        SinkError: it isn't whole.
    """
    part = _part(path, decoded=False)
    if part is None:
        raise SinkError(f"{path}: is damaged; it must be made again")
    return replace(part, late=part.late - start, last=part.last + start, end=part.end + start)


def _folder(output: Path) -> Path:
    return output.with_name(f".{output.name}.parts")


def _media(output: Path) -> list[Path]:
    """The parts' files in the order in which they were written."""
    files = [
        path
        for path in _folder(output).glob(f"*{_MEDIA}")
        if path.stem.isascii() and path.stem.isdecimal() and len(path.stem) <= _DIGITS
    ]
    return sorted(files, key=lambda path: int(path.stem))


def _whole(output: Path, *, decoded: bool = True) -> Iterator[VideoPart]:
    """What can be used of the parts' files; links and pipes aren't ours."""
    for path in _media(output):
        if not stat.S_ISREG(path.lstat().st_mode):
            continue
        start, ticks_are_right = _commented(path)
        if ticks_are_right and (part := _part(path, start, decoded=decoded)) is not None:
            yield part


def _commented(path: Path) -> tuple[Fraction | None, bool]:
    """When a part says that it starts, None if it doesn't, and whether its ticks are what it says."""
    try:
        with av.open(f"file:{path}", **OPEN_OPTIONS) as container:
            about = parse_json(container.metadata.get("comment", ""))
            ticks = container.streams.video[0].time_base
    except (av.FFmpegError, OSError, IndexError, ValueError):
        return None, True
    if not isinstance(about, dict) or (start := fraction(about.get("start"))) is None:
        return None, True
    return start, fraction(about.get("time_base")) == ticks


def _read_about(output: Path) -> dict[str, Any] | None:
    path = _folder(output) / _ABOUT
    try:
        about = read_json(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        about = None
    if isinstance(about, dict) and isinstance(about.get("making"), dict):
        return about
    raise SinkError(f"{output}: {path} doesn't say what it was made from; add --overwrite to start over")


def _marked(output: Path) -> dict[str, Any] | None:
    """What a finished video that was cut short was made from."""
    try:
        with av.open(f"file:{output}", **OPEN_OPTIONS) as container:
            tags = {name.lower(): value for name, value in container.metadata.items()}
        about = parse_json(tags.get("comment", "").removeprefix(_MARK))
    except (av.FFmpegError, OSError, ValueError):
        return None
    return about if isinstance(about, dict) and isinstance(about.get("making"), dict) else None


def _part(path: Path, start: Fraction | None = None, *, decoded: bool = True) -> VideoPart | None:
    """What can be used of a file: all if it ends as it should, else what comes before its last key frame.

    `start` is the time that its first frame should have, if the file may have moved it; without `decoded`,
    damage inside of frames isn't looked for.
    """
    whole: VideoPart | None = None
    shown = list[int]()
    count, last, end, late = 0, Fraction(0), Fraction(0), Fraction(0)
    try:
        coherent = coherent_frames(path) if path.suffix == _MEDIA else None
        with contextlib.closing(_packets(path, shown if decoded else None)) as packets:
            for packet in islice(packets, coherent):
                pts = _known(packet.pts) * packet.time_base - late
                if not count and start is not None:
                    late, pts = pts - start, start
                if packet.is_keyframe and count:
                    whole = VideoPart(path=path, packets=count, last=last, end=end, late=late)
                count += 1
                last, end = max(last, pts), max(end, pts + (packet.duration or 0) * packet.time_base)
        ends_well = coherent is None and (path.suffix != _MEDIA or _boxes_are_whole(path))
    except (_DamagedError, OSError):
        ends_well = False
    if ends_well and count:
        whole = VideoPart(path=path, packets=count, last=last, end=end, late=late)
    return None if whole is None or (decoded and sum(shown) < whole.packets) else whole


def _boxes_are_whole(path: Path) -> bool:
    """Whether an MP4 file ends where one of its boxes (ISO/IEC 14496-12, 4.2) does."""
    size = path.stat().st_size
    with path.open("rb") as file:
        at = 0
        while at < size:
            file.seek(at)
            header = file.read(16)
            length = int.from_bytes(header[:4], "big")
            if length == 1:
                length = int.from_bytes(header[8:16], "big")
            if length < 8:
                return False
            at += length
    return at == size


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
