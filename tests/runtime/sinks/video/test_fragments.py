"""Times that contradict each other in a part whose frames are stored in the order in which they are shown."""

from __future__ import annotations

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
