"""The times in a fragmented MP4, which it tells twice: where they contradict each other, it is damaged.

A fragment has the decoding time of its first frame, and each frame's duration. Encoders that reorder frames
give them the decoding times of those shown a fixed number of frames earlier.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path

# ISO/IEC 14496-12: 8.8.7 tfhd, 8.8.8 trun
_BASE_OFFSET, _DESCRIPTION, _DEFAULT_DURATION = 0x1, 0x2, 0x8
_DATA_OFFSET, _FIRST_FLAGS = 0x1, 0x4
_DURATION, _SIZE, _FLAGS, _OFFSET = 0x100, 0x200, 0x400, 0x800
_MOOF_BYTES, _FRAMES = 2**24, 2**20  # of a fragment, which has seconds


@dataclass(frozen=True)
class _Fragment:
    """In ticks: when its first frame is decoded; of each, how long it lasts and how late it is shown."""

    begin: int
    durations: list[int]
    offsets: list[int]


@dataclass(frozen=True)
class ToldTimes:
    """What a file tells of its frames, up to times that contradict each other.

    Attributes:
        decoded: when each is decoded, in ticks, in that order. It ends with the fragment in which the fault
            may lie too; empty for a file that isn't fragmented.
        coherent: whether there is no contradiction.
    """

    decoded: list[int]
    coherent: bool


def told_times(path: Path) -> ToldTimes:
    """The times that a file's fragments tell.

    Raises:
        OSError: it can't be read.
    """
    fragments: list[_Fragment] = []
    joined = True
    for fragment in _fragments(path):
        joined = fragment is not None and (not fragments or fragment.begin == _end(fragments[-1]))
        if fragment is None or not joined:
            break
        fragments.append(fragment)
    decoded = [time for fragment in fragments for time in _decoded(fragment)]
    in_order = _in_order(fragments, decoded)
    return ToldTimes(decoded[:in_order], joined and in_order is None)


def _decoded(fragment: _Fragment) -> Iterator[int]:
    return accumulate(fragment.durations[:-1], initial=fragment.begin)


def _end(fragment: _Fragment) -> int:
    return fragment.begin + sum(fragment.durations)


def _in_order(fragments: list[_Fragment], decoded: list[int]) -> int | None:
    """How many frames come before a contradiction in when they are shown, and None if there is none.

    Nothing tells that of the last ones twice.
    """
    if not decoded:
        return None
    first = decoded[0] + fragments[0].offsets[0]
    if first not in decoded:
        return len(fragments[0].durations)
    ahead, at = decoded.index(first), 0
    for fragment in fragments:
        begin, count = at, len(fragment.durations)
        shown = sorted(decoded[begin + index] + offset for index, offset in enumerate(fragment.offsets))
        told = decoded[begin + ahead : begin + ahead + count]
        at += count
        if shown[: len(told)] != told or any(one == other for one, other in pairwise(shown)):
            return at
    return None


def ends_whole(path: Path) -> bool:
    """Whether an MP4 file ends where one of its boxes does.

    Raises:
        OSError: it can't be read.
    """
    ends = [end for _, _, end in _top_boxes(path)]
    return ends[-1:] == [path.stat().st_size]


def _top_boxes(path: Path) -> Iterator[tuple[bytes, int, int]]:
    """Kind, begin of the content and end of each box of a file (ISO/IEC 14496-12, 4.2).

    The last may end after the file does; nothing comes after one that can't be.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        at = 0
        while at < size:
            file.seek(at)
            header = file.read(16)
            begin, length = at + 8, int.from_bytes(header[:4], "big")
            if length == 1:
                begin, length = at + 16, int.from_bytes(header[8:16], "big")
            if length < begin - at:
                return
            at, kind = at + length, header[4:8]
            yield kind, begin, at


def _fragments(path: Path) -> Iterator[_Fragment | None]:
    """Each in turn; None for one that can't be understood, and nothing after it."""
    size = path.stat().st_size
    with path.open("rb") as file:
        for kind, begin, end in _top_boxes(path):
            if end > size:
                return
            if kind != b"moof":
                continue
            file.seek(begin)
            fragment = _fragment(file.read(end - begin)) if end - begin <= _MOOF_BYTES else None
            yield fragment
            if fragment is None:
                return


def _fragment(moof: bytes) -> _Fragment | None:
    begin: int | None = None
    default = 0
    durations: list[int] = []
    offsets: list[int] = []
    try:
        for kind, traf in _boxes(moof):
            for inner, content in _boxes(traf) if kind == b"traf" else ():
                flags = int.from_bytes(content[1:4], "big")
                if inner == b"tfdt":
                    begin = int.from_bytes(content[4 : 12 if content[0] else 8], "big")
                elif inner == b"tfhd" and flags & _DEFAULT_DURATION:
                    at = 8 + 8 * bool(flags & _BASE_OFFSET) + 4 * bool(flags & _DESCRIPTION)
                    (default,) = struct.unpack_from(">I", content, at)
                elif inner == b"trun":
                    _run(content, flags, default, durations, offsets)
    except (struct.error, ValueError, IndexError):
        return None
    return _Fragment(begin, durations, offsets) if begin is not None and durations else None


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at < len(content):
        length, kind = struct.unpack_from(">I4s", content, at)
        if length < 8 or at + length > len(content):
            raise ValueError
        yield kind, content[at + 8 : at + length]
        at += length


def _run(content: bytes, flags: int, default: int, durations: list[int], offsets: list[int]) -> None:
    """Adds a trun's frames."""
    count = int.from_bytes(content[4:8], "big")
    fields = [flag for flag in (_DURATION, _SIZE, _FLAGS, _OFFSET) if flags & flag]
    if count + len(durations) > _FRAMES:
        raise ValueError
    at = 8 + 4 * bool(flags & _DATA_OFFSET) + 4 * bool(flags & _FIRST_FLAGS)
    signed = content[0] > 0
    for _ in range(count):
        entry = dict(zip(fields, struct.unpack_from(f">{len(fields)}I", content, at), strict=True))
        at += 4 * len(fields)
        durations.append(entry.get(_DURATION, default))
        offset = entry.get(_OFFSET, 0)
        offsets.append(offset - 2**32 if signed and offset >= 2**31 else offset)
