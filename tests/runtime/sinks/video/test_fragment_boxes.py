"""Fragments written by hand (ISO/IEC 14496-12): whatever fields they have, and where they contradict."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from unit_edge.runtime.sinks.video.fragments import ToldTimes, ends_whole, told_times

_BEGIN = 2**33  # beyond 32 bits
_DEFAULT = 8
_DURATIONS, _SIZES, _FLAGS, _OFFSETS = 0x100, 0x200, 0x400, 0x800


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def large_box(kind: bytes, content: bytes) -> bytes:
    """Its size in 64 bits."""
    return struct.pack(">I4sQ", 1, kind, 16 + len(content)) + content


def tfhd(duration: int | None) -> bytes:
    told = b"" if duration is None else struct.pack(">I", duration)
    return box(b"tfhd", struct.pack(">II", _DEFAULT if told else 0, 1) + told)


def tfdt(begin: int) -> bytes:
    return box(b"tfdt", struct.pack(">IQ", 1 << 24, begin))


def trun(offsets: list[int], version: int = 1) -> bytes:
    """Frames with nothing but how much later they are shown than decoded."""
    told = b"".join(struct.pack(">I", offset % 2**32) for offset in offsets)
    return box(b"trun", struct.pack(">II", version << 24 | _OFFSETS, len(offsets)) + told)


def moof(*inner: bytes) -> bytes:
    return box(b"moof", box(b"mfhd", bytes(8)) + box(b"traf", b"".join(inner)))


def fragment(begin: int, offsets: list[int], duration: int = 1) -> bytes:
    return moof(tfhd(duration), tfdt(begin), trun(offsets)) + box(b"mdat", b"frames")


REORDERED = [1, 3, 0, 0]  # a frame, one that is shown behind the next two, and these


def told_of(tmp_path: Path, content: bytes) -> ToldTimes:
    (tmp_path / "1.mp4").write_bytes(content)
    return told_times(tmp_path / "1.mp4")


@pytest.mark.parametrize("base", [b"", bytes(8)])
@pytest.mark.parametrize("description", [b"", bytes(4)])
@pytest.mark.parametrize("data_offset", [b"", bytes(4)])
@pytest.mark.parametrize("first_flags", [b"", bytes(4)])
@pytest.mark.parametrize("own_durations", [True, False])
@pytest.mark.parametrize("sizes", [True, False])
def test_whatever_fields_a_fragment_has_its_times_are_found(  # ISO/IEC 14496-12, 8.8.7 and 8.8.8
    tmp_path: Path,
    base: bytes,
    description: bytes,
    data_offset: bytes,
    first_flags: bytes,
    own_durations: bool,
    sizes: bool,
) -> None:
    flags = 8 | bool(base) | 2 * bool(description)
    header = box(b"tfhd", struct.pack(">II", flags, 1) + base + description + struct.pack(">I", 7))
    begins = box(b"tfdt", struct.pack(">IQ", 1 << 24, 2**33))
    flags = bool(data_offset) | 4 * bool(first_flags) | 0x100 * own_durations | 0x200 * sizes
    run = struct.pack(">II", flags, 3) + data_offset + first_flags
    for duration in (3, 4, 5):
        run += struct.pack(">I", duration) * own_durations + struct.pack(">I", 99) * sizes
    content = box(b"moof", box(b"traf", header + begins + box(b"trun", run))) + box(b"mdat", b"")
    (tmp_path / "1.mp4").write_bytes(content)
    told = told_times(tmp_path / "1.mp4")
    assert [time - 2**33 for time in told.decoded] == ([0, 3, 7] if own_durations else [0, 7, 14])
    assert told.coherent


@pytest.mark.parametrize(
    ("content", "decoded", "coherent"),
    [
        (b"", [], True),
        (box(b"ftyp", b"isom"), [], True),
        (fragment(0, [0, 0, 0]), [0, 1, 2], True),
        (fragment(5, [0, 0]) + fragment(7, [0]), [5, 6, 7], True),
        (box(b"free", b"") + fragment(5, [0]) + box(b"free", b"x") + fragment(6, [0]), [5, 6], True),
        (fragment(0, REORDERED) + fragment(4, REORDERED), list(range(8)), True),
        # shown earlier than decoded, which version 1 can say, and version 0 can't
        (moof(tfhd(1), tfdt(10), trun([0, 2, -1, -1])), [10, 11, 12, 13], True),
        (moof(tfhd(1), tfdt(10), trun([0, 2, -1, -1], version=0)), [10, 11, 12, 13], False),
        (moof(tfhd(1), tfdt(10), trun([0, -(2**31)])), [10, 11], False),
        (moof(tfhd(1), tfdt(10), trun([0, 2**31 - 1])), [10, 11], False),
        # a hole, and one fragment over the other
        (fragment(5, [0, 0]) + fragment(8, [0]), [5, 6], False),
        (fragment(5, [0, 0]) + fragment(6, [0]), [5, 6], False),
        # two shown at once, in the first, in the last, and where nothing else tells
        (fragment(0, [1, 3, 0, 1]) + fragment(4, REORDERED), [0, 1, 2, 3], False),
        (fragment(0, REORDERED) + fragment(4, [1, 2, 0, 0]), list(range(8)), False),
        (fragment(0, [1, 0]), [0, 1], False),
        # shown when no other is decoded
        (fragment(0, [9, 9]) + fragment(2, [9]), [0, 1], False),
        (fragment(0, [0, 0]) + fragment(2, [0, 1]) + fragment(4, [0]), [0, 1, 2, 3], False),
        # no time of its own; no frames; nothing in it
        (fragment(0, [0]) + moof(tfhd(1), trun([0])) + fragment(1, [0]), [0], False),
        (fragment(0, [0]) + moof(tfhd(1), tfdt(1)), [0], False),
        (fragment(0, [0]) + box(b"moof", b""), [0], False),
        # several runs in a fragment, of which each says its own
        (moof(tfhd(3), tfdt(0), trun([0, 0]), trun([0])) + fragment(9, [0]), [0, 3, 6, 9], True),
        # the time in 32 bits
        (moof(tfhd(2), box(b"tfdt", struct.pack(">II", 0, 7)), trun([0, 0])) + fragment(11, [0]),
         [7, 9, 11], True),
        # without any duration: one frame takes no time, and two are at once
        (moof(tfhd(None), tfdt(4), trun([0])) + fragment(4, [0]), [4, 4], True),
        (moof(tfhd(None), tfdt(4), trun([0, 0])), [4, 4], False),
        # not whole: what is still being written says nothing yet
        (fragment(0, [0]) + fragment(1, [0])[:40], [0], True),
        # a size for all frames, which is no duration
        (moof(box(b"tfhd", struct.pack(">III", 16, 1, 5)), tfdt(4), trun([0])) + fragment(4, [0]),
         [4, 4], True),
        # several, whose number of frames is no power of two, at times that are none either
        (b"".join(fragment(begin, [1, 2, 0]) for begin in (5, 8, 11)), list(range(5, 14)), True),
        (fragment(5, [1, 3, 0]) + fragment(8, [1, 2, 0]), [5, 6, 7], False),
        (b"".join(fragment(begin, [0]) for begin in (10**6, 10**6 + 1, 10**6 + 2)),
         [10**6, 10**6 + 1, 10**6 + 2], True),
        (fragment(10**6, [1, 0]), [10**6, 10**6 + 1], False),
        (fragment(0, [1, 0, 2]) + fragment(3, [0, 0]), [0, 1, 2], False),
        (fragment(0, REORDERED) + fragment(4, [0, 3, 1, 0]), list(range(8)), False),
        (fragment(2**60, [0, 0]), [2**60, 2**60 + 1], True),
        (fragment(0, [2**30] * 3, duration=2**30), [0, 2**30, 2**31], True),
        (moof(tfhd(1), tfdt(0), trun([0] * 21), trun([0])), list(range(22)), True),
        # one after a hole that would fit without it
        (fragment(5, [0, 0]) + fragment(8, [0]) + fragment(7, [0]), [5, 6], False),
        # fields that aren't looked at, and boxes of other names
        (moof(box(b"tfhd", struct.pack(">IIQ", 1, 1, 0)), tfdt(4), trun([0])), [4], True),
        (moof(tfhd(1), box(b"tfdt", struct.pack(">IQB", 1 << 24 | 1, 3, 1)), trun([0])), [3], True),
        (moof(tfhd(1), box(b"tfdt", struct.pack(">IIB", 1, 3, 1)), trun([0])), [3], True),
        (moof(*(box(kind, struct.pack(">II", 8, 1)) for kind in (b"sdtp", b"tfhz", b"zzzz")), tfhd(1),
              tfdt(4), trun([0])), [4], True),
        (box(b"moof", box(b"zzzz", b"zzz") + fragment(4, [0])[24:-14]) + box(b"zzzz", b"zzz"), [4], True),
        # sizes of 64 bits
        (box(b"free", bytes(8)) + large_box(b"moof", fragment(3, [0, 0])[8:-14]) + fragment(5, [0]),
         [3, 4, 5], True),
        (large_box(b"free", bytes(99)) + fragment(0, [0, 0]), [0, 1], True),
    ],
)  # fmt: skip
def test_times_are_told_up_to_where_they_contradict(
    tmp_path: Path, content: bytes, decoded: list[int], coherent: bool
) -> None:
    assert told_of(tmp_path, content) == ToldTimes(decoded, coherent)


@pytest.mark.parametrize(
    "inner",
    [
        tfdt(1) + struct.pack(">I4s", 7, b"free"),
        tfdt(1) + struct.pack(">I4s", 0, b"free"),
        tfdt(1) + struct.pack(">I4s", 9, b"free"),
        tfdt(1) + b"xyz",
        box(b"tfdt", b""),
        tfdt(1) + box(b"tfhd", struct.pack(">II", _DEFAULT, 1)),
        tfdt(1) + box(b"trun", struct.pack(">II", _DURATIONS, 2) + bytes(4)),
        tfdt(1) + box(b"trun", struct.pack(">II", _DURATIONS, 2**20 + 1) + bytes(4 * 2**20 + 4)),
        tfdt(1) + trun([0, 0]) + box(b"trun", struct.pack(">II", 0, 2**20 - 1)),
        tfdt(1) + trun([0]) + box(b"trun", struct.pack(">II", 0, 2**20)),
    ],
)
def test_what_is_no_fragment_ends_what_is_told(tmp_path: Path, inner: bytes) -> None:
    content = fragment(0, [0]) + moof(inner, trun([0])) + fragment(2, [0])
    assert told_of(tmp_path, content) == ToldTimes([0], False)


@pytest.mark.parametrize("size", [9, 10, 2**16])
def test_a_box_that_is_longer_than_its_fragment_ends_what_is_told(tmp_path: Path, size: int) -> None:
    last = struct.pack(">I4s", size, b"free")
    content = fragment(0, [0]) + moof(tfhd(1), tfdt(1), trun([0]), last) + fragment(2, [0])
    assert told_of(tmp_path, content) == ToldTimes([0], False)


@pytest.mark.parametrize(("before", "count"), [(1, 2**20), (2, 2**20 - 1), (0, 2**20 + 1), (0, 2**24 + 1)])
def test_a_fragment_has_2_to_the_20_frames_at_most(tmp_path: Path, before: int, count: int) -> None:
    last = box(b"trun", struct.pack(">II", 0, count))
    content = fragment(0, [0]) + moof(tfhd(1), tfdt(1), trun([0] * before), last)
    assert told_of(tmp_path, content) == ToldTimes([0], False)


def test_a_fragment_of_2_to_the_20_frames_is_understood(tmp_path: Path) -> None:
    told = told_of(tmp_path, moof(tfhd(1), tfdt(0), box(b"trun", struct.pack(">II", 0, 2**20))))
    assert told.coherent and len(told.decoded) == 2**20


def test_an_empty_box_in_a_fragment_is_none_of_its_business(tmp_path: Path) -> None:
    content = moof(box(b"free", b""), tfhd(1), tfdt(3), trun([0, 0]), box(b"free", b""))
    assert told_of(tmp_path, content) == ToldTimes([3, 4], True)


@pytest.mark.parametrize("version", [0, 1])
def test_each_field_of_a_frame_is_its_own(tmp_path: Path, version: int) -> None:
    flags = version << 24 | _DURATIONS | _SIZES | _FLAGS | _OFFSETS
    frames = [(2, 500, 7, 3), (3, 600, 8, 2)]  # begun at 0 and 2, shown at 3 and 4
    run = box(b"trun", struct.pack(">II", flags, 2) + b"".join(struct.pack(">4I", *one) for one in frames))
    content = moof(tfhd(9), tfdt(0), run) + fragment(5, [0])
    assert told_of(tmp_path, content) == ToldTimes([0, 2], False)  # nothing is decoded at 3
    frames = [(2, 500, 7, 2), (3, 600, 8, 3)]  # shown at 2 and 5, as the next two are decoded
    run = box(b"trun", struct.pack(">II", flags, 2) + b"".join(struct.pack(">4I", *one) for one in frames))
    content = moof(tfhd(9), tfdt(0), run) + fragment(5, [2], duration=2)
    assert told_of(tmp_path, content) == ToldTimes([0, 2, 5], True)


def test_a_fragment_has_16_mib_at_most(tmp_path: Path) -> None:
    whole = fragment(0, [0])
    for size, told in ((2**24, ToldTimes([0, 1], True)), (2**24 + 1, ToldTimes([0], False))):
        other = moof(tfhd(1), tfdt(1), trun([0]))[8:]
        other += box(b"free", bytes(size - len(other) - 8))
        assert told_of(tmp_path, whole + box(b"moof", other)) == told


@pytest.mark.parametrize(
    ("content", "whole"),
    [
        (b"", False),
        (box(b"ftyp", b"isom"), True),
        (box(b"ftyp", b"isom") + box(b"mdat", b""), True),
        (box(b"ftyp", b"isom") + b"x", False),
        (box(b"ftyp", b"isom")[:-1], False),
        (box(b"ftyp", b"isom") + struct.pack(">I4s", 0, b"mdat"), False),
        (box(b"ftyp", b"isom") + struct.pack(">I4s", 7, b"mdat"), False),
        (large_box(b"mdat", b"frames"), True),
        (large_box(b"mdat", b"frames") + box(b"free", b""), True),
        (large_box(b"mdat", b"frames")[:-1], False),
        (struct.pack(">I4sQ", 0, b"mdat", 16), False),
        (struct.pack(">I4sQ", 1, b"mdat", 15), False),
        (struct.pack(">I4sQ", 1, b"mdat", 16), True),
        (struct.pack(">I4sQ", 1, b"mdat", 2**40), False),
    ],
)
def test_a_file_ends_where_a_box_does(tmp_path: Path, content: bytes, whole: bool) -> None:
    path = tmp_path / "1.mp4"
    path.write_bytes(content)
    assert ends_whole(path) is whole
