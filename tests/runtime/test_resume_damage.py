"""Damage of what an interrupted run has left of a video: none of it comes into the finished one."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from crashes import FPS, FRAMES, Crash, crash_at, numbers
from probe import frame_times

from unit_edge.errors import SinkError
from unit_edge.runtime.sinks.codecs import Encoding
from unit_edge.runtime.translate import translate

WriteClip = Callable[..., Path]
WriteModel = Callable[..., Path]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.77, 0.95, 0.999])
def test_a_power_cut_may_leave_any_part_of_a_file(
    write_clip: WriteClip, write_model: WriteModel, tmp_path: Path, share: float
) -> None:
    clip, model = write_clip(frames=FRAMES, fps=FPS), write_model()
    with pytest.raises(Crash):
        translate(clip, tmp_path / "out.mp4", model, progress=crash_at(55))
    part = tmp_path / ".out.mp4.parts" / "1.mp4"
    size = part.stat().st_size
    part.write_bytes(part.read_bytes()[: int(share * size)] + bytes(int((1 - share) * size)))
    translate(clip, tmp_path / "out.mp4", model, resume=True)
    assert numbers(tmp_path / "out.mp4") == [index % 24 for index in range(FRAMES)]
    assert frame_times(tmp_path / "out.mp4") == [Fraction(index, FPS) for index in range(FRAMES)]


@pytest.mark.parametrize("at", [15, 31, 44])
def test_a_power_cut_may_leave_a_hole_in_the_middle(
    write_clip: WriteClip, write_model: WriteModel, tmp_path: Path, at: int
) -> None:
    """Blocks that never reached the disk: the file's length and its boxes are whole, one picture isn't."""

    def noise(index: int) -> np.ndarray:
        return np.random.default_rng(index).integers(0, 256, (48, 64, 3), dtype=np.uint8)

    clip = write_clip(frames=FRAMES, fps=FPS, paint=noise)
    model, encoding = write_model(), Encoding(crf=1)
    translate(clip, tmp_path / "whole.mp4", model, encoding=encoding)
    with pytest.raises(Crash):
        translate(clip, tmp_path / "out.mp4", model, encoding=encoding, progress=crash_at(58))
    part = tmp_path / ".out.mp4.parts" / "1.mp4"
    with av.open(str(part)) as container:
        stored = sorted((p for p in container.demux(video=0) if p.size), key=lambda packet: packet.pos)
        hit = stored[at]
    content = bytearray(part.read_bytes())
    middle = hit.pos + hit.size // 2
    content[middle - 300 : middle + 300] = bytes(600)
    assert hit.size > 1200
    part.write_bytes(content)
    stats = translate(clip, tmp_path / "out.mp4", model, encoding=encoding, resume=True)
    assert FRAMES - at <= stats.frames <= FRAMES - at + 10, "what comes before its key frame is kept"
    with av.open(str(tmp_path / "whole.mp4")) as one, av.open(str(tmp_path / "out.mp4")) as other:
        pairs = zip(one.decode(video=0), other.decode(video=0), strict=True)
        apart = [np.abs(a.to_ndarray().astype(int) - b.to_ndarray()).mean() for a, b in pairs]
    assert len(apart) == FRAMES and max(apart) < 1


def garbled(part: bytes) -> bytes:
    """Random bits in a late picture."""
    with av.open(io.BytesIO(part)) as container:
        hit = sorted((p for p in container.demux(video=0) if p.size), key=lambda packet: packet.pos)[44]
    at = hit.pos + hit.size // 4
    return part[:at] + np.random.default_rng(0).bytes(hit.size // 2) + part[at + hit.size // 2 :]


def without_parameters(part: bytes) -> bytes:
    """What the decoder must know before the first picture."""
    at = part.index(b"avcC")
    return part[: at + 12] + bytes([255] * 20) + part[at + 32 :]


def with_a_strange_name(part: bytes) -> bytes:
    """What FFmpeg has as the name of the track's handler isn't UTF-8."""
    return part.replace(b"VideoHandler", b"\xffideoHandler")


def without_a_picture(part: bytes) -> bytes:
    """The track is of sound."""
    return part.replace(b"vide", b"soun").replace(b"vmhd", b"smhd")


def changed(box: bytes, nth: int, at: int, change: int) -> Callable[[bytes], bytes]:
    """A 32-bit number, so far behind the name of the nth box of a kind, is larger by so much."""

    def damage(part: bytes) -> bytes:
        place = [found.start() for found in re.finditer(re.escape(box), part)][nth] + len(box) + at
        value = int.from_bytes(part[place : place + 4], "big") + change
        return part[:place] + (value % 2**32).to_bytes(4, "big") + part[place + 4 :]

    return damage


_SECOND = 10_000  # ticks, at 5 FPS


def shown_last_later(part: bytes) -> bytes:
    """The frame that is shown last is shown hours later; ISO/IEC 14496-12, 8.8.8 has the fields."""
    begin = part.rindex(b"trun") + 4
    flags, count = (int.from_bytes(part[begin + at : begin + at + 4], "big") for at in (0, 4))
    width = 4 * (flags >> 8 & 0xF).bit_count()  # of a frame; how late it is shown comes last
    first = begin + 8 + 4 * (flags & 0x5).bit_count() + width - 4
    places = range(first, first + count * width, width)
    late = [int.from_bytes(part[place : place + 4], "big", signed=True) for place in places]
    last = max(range(count), key=lambda index: index * _SECOND // FPS + late[index])
    place = places[last]
    return part[:place] + (late[last] + 2**29).to_bytes(4, "big", signed=True) + part[place + 4 :]


DAMAGES = {
    "garbled": garbled,
    "no parameters": without_parameters,
    "a strange name": with_a_strange_name,
    "no picture": without_a_picture,
    "a huge time": changed(b"tfdt", 2, 4, 2**20),
    "a later time": changed(b"tfdt", 3, 8, 2 * _SECOND),
    "an earlier time": changed(b"tfdt", -1, 8, -_SECOND),
    "a later beginning": changed(b"tfdt", 0, 8, 60 * _SECOND),
    "longer frames": changed(b"tfhd", 1, 16, _SECOND),
    "a frame shown later": changed(b"trun", 2, 52, 3 * _SECOND),
    "two frames at once": changed(b"trun", -1, 28, -2000),
    "a frame without a length": changed(b"trun", 0, 72, 2**31),
    "other ticks": changed(b"mdhd", 0, 12, _SECOND),
    "a later start": changed(b"elst", 0, 12, 4 * _SECOND),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_no_damage_of_a_part_comes_into_the_video(
    write_clip: WriteClip, write_model: WriteModel, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    clip, model = write_clip(frames=FRAMES, fps=FPS), write_model()
    with pytest.raises(Crash):
        translate(clip, tmp_path / "out.mp4", model, progress=crash_at(55))
    part = tmp_path / ".out.mp4.parts" / "1.mp4"
    content = part.read_bytes()
    part.write_bytes(damage(content))
    assert part.read_bytes() != content
    translate(clip, tmp_path / "out.mp4", model, resume=True)
    assert numbers(tmp_path / "out.mp4") == [index % 24 for index in range(FRAMES)]
    assert frame_times(tmp_path / "out.mp4") == [Fraction(index, FPS) for index in range(FRAMES)]


def test_a_part_that_goes_on_beyond_its_source_is_refused(
    write_clip: WriteClip, write_model: WriteModel, tmp_path: Path
) -> None:
    """Of the last frames nothing else tells when they are shown."""
    clip, model, output = write_clip(frames=FRAMES, fps=FPS), write_model(), tmp_path / "out.mp4"
    with pytest.raises(Crash):
        translate(clip, output, model, progress=crash_at(55))
    part = tmp_path / ".out.mp4.parts" / "1.mp4"
    part.write_bytes(shown_last_later(part.read_bytes()))
    with pytest.raises(SinkError, match="is damaged; add --overwrite instead of --resume"):
        translate(clip, output, model, resume=True)
    assert not output.exists()


@pytest.mark.parametrize("start", ["1e999999999", "1/0", "x", None, 1e300, "9" * 5000])
def test_a_start_that_is_no_time_is_not_gone_on_with(
    write_clip: WriteClip, write_model: WriteModel, tmp_path: Path, start: object
) -> None:
    clip, model, output = write_clip(frames=20, fps=FPS), write_model(), tmp_path / "out.mp4"
    with pytest.raises(Crash):
        translate(clip, output, model, progress=crash_at(15))
    about = tmp_path / ".out.mp4.parts" / "about.json"
    about.write_text(json.dumps({**json.loads(about.read_text()), "start": start}))
    translate(clip, output, model, resume=True)
    assert frame_times(output) == [Fraction(index, FPS) for index in range(20)]
