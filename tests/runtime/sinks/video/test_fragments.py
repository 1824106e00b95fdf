"""Times that contradict each other in a part whose frames are stored in the order in which they are shown."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from half_made import MAKING, folder_of, kept_of

from unit_edge.frames import Frame, VideoInfo
from unit_edge.runtime.sinks.video.fragments import ToldTimes, told_times
from unit_edge.runtime.sinks.video.sink import VideoSink

TIMES = [Fraction(number, 25) for number in (0, 1, 2, 3, 30, 31, 32, 60, 61, 90, 91, 92, 200, 201, 202)]


@pytest.fixture
def part(tmp_path: Path) -> Path:
    """What is left of a recording whose frames came when they liked, a key frame each second."""
    output = tmp_path / "out.mp4"
    info = VideoInfo(64, 48, Fraction(25), time_base=Fraction(1, 12_800))
    with pytest.raises(ZeroDivisionError), VideoSink(output, info, making=MAKING, live=True) as sink:
        for index, time in enumerate(TIMES):
            image = np.random.default_rng(index).integers(0, 256, (48, 64, 3), dtype=np.uint8)
            sink.write(Frame(image, index, time))
        raise ZeroDivisionError
    return folder_of(output) / "1.mp4"


def test_all_is_kept_of_times_that_are_as_they_were_written(part: Path) -> None:
    told = told_times(part)
    assert told.coherent and len(told.decoded) == len(TIMES)
    kept = kept_of(part.parent.with_name("out.mp4"))
    assert (kept.frames, kept.last) == (len(TIMES), TIMES[-1])


@pytest.mark.parametrize(("at", "value"), [(4, 2**20), (4, 2**31), (8, 0), (8, 25 * 512)])
@pytest.mark.parametrize("fragment", [1, 2, 3, 4])
def test_a_fragment_that_begins_at_another_time_is_not_gone_on_with(
    part: Path, fragment: int, at: int, value: int
) -> None:
    content = bytearray(part.read_bytes())
    place = -1
    for _ in range(fragment + 1):
        place = content.index(b"tfdt", place + 1)
    content[place + 4 + at : place + 8 + at] = value.to_bytes(4, "big")
    part.write_bytes(content)
    told = told_times(part)
    assert not told.coherent
    kept = kept_of(part.parent.with_name("out.mp4")) if fragment > 1 else None
    assert kept is None or (0 < kept.frames < len(told.decoded) and kept.last == TIMES[kept.frames - 1])


def test_a_fragment_that_is_no_fragment_ends_what_is_coherent(part: Path) -> None:
    content = part.read_bytes()
    for damaged in (
        content.replace(b"trun", b"turn"),
        content.replace(b"tfdt", b"tfd_"),
        content[: content.index(b"trun") + 8] + b"\xff" * 4 + content[content.index(b"trun") + 12 :],
    ):
        part.write_bytes(damaged)
        assert told_times(part) == ToldTimes([], False)


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


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
