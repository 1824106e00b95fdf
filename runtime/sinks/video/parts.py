"""A video that isn't whole yet: parts in a hidden folder beside it, which a later run can go on from.

Each run writes one part, a fragmented MP4 without sound: whatever ends the run, its whole groups of pictures
can be read, by any player too.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av

from unit_edge.errors import SinkError
from unit_edge.files.reading import parse_json, read_json
from unit_edge.files.writing import open_unlinked, replacing
from unit_edge.media.containers import OPEN_OPTIONS
from unit_edge.runtime.sinks.video.part import MEDIA, VideoPart, part_of
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

ROUNDED_S = Fraction(1, 1500)
"""Seconds that a time may be off in files that round it to milliseconds."""


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
            self.media = self.folder / f"{max(used, default=0) + 1}{MEDIA}"
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
    finished = part_of(output, start) if about.get("continues", True) and output.exists() else None
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


def _folder(output: Path) -> Path:
    return output.with_name(f".{output.name}.parts")


def _media(output: Path) -> list[Path]:
    """The parts' files in the order in which they were written."""
    files = [
        path
        for path in _folder(output).glob(f"*{MEDIA}")
        if path.stem.isascii() and path.stem.isdecimal() and len(path.stem) <= _DIGITS
    ]
    return sorted(files, key=lambda path: int(path.stem))


def _whole(output: Path, *, decoded: bool = True) -> Iterator[VideoPart]:
    """What can be used of the parts' files; links and pipes aren't ours."""
    for path in _media(output):
        if not stat.S_ISREG(path.lstat().st_mode):
            continue
        start, ticks_are_right = _commented(path)
        if ticks_are_right and (part := part_of(path, start, decoded=decoded)) is not None:
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
