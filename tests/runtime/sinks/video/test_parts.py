"""What a later run may use of a video whose making broke off: file by file."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from half_made import (
    FPS,
    FRAGMENTED,
    GROUP,
    MAKING,
    TICKS,
    folder_of,
    kept_of,
    left_behind,
    say,
    stored,
    write_video,
)
from makers import make_clip

from unit_edge.errors import SinkError
from unit_edge.frames import Frame, VideoInfo
from unit_edge.runtime.sinks.video.part import VideoPart, part_from
from unit_edge.runtime.sinks.video.parts import Kept, complete, find_kept, interrupted, mark
from unit_edge.runtime.sinks.video.sink import VideoSink


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return left_behind(tmp_path)


def test_all_of_a_file_that_ends_as_it_should(output: Path) -> None:
    write_video(folder_of(output) / "1.mp4", 18)
    kept = kept_of(output)
    assert kept == Kept(kept.parts, "s", Fraction(0))
    (part,) = kept.parts
    assert (part.path.name, part.packets, part.late) == ("1.mp4", 18, 0)
    assert (kept.frames, kept.last, kept.end) == (18, Fraction(17, FPS), Fraction(18, FPS))


def test_parts_are_in_the_order_in_which_they_were_written(output: Path) -> None:
    for number, frames in (("10", 4), ("2", 3), ("1", 2), ("999999999", 5)):
        write_video(folder_of(output) / f"{number}.mp4", frames)
    for foreign in ("1000000000.mp4", "a.mp4", "٣.mp4", "-1.mp4", "1.mov"):
        write_video(folder_of(output) / foreign, 6)
    write_video(output.with_name("elsewhere.mp4"))
    (folder_of(output) / "5.mp4").symlink_to(output.with_name("elsewhere.mp4"))
    os.mkfifo(folder_of(output) / "6.mp4")
    kept = kept_of(output)
    assert [part.packets for part in kept.parts] == [2, 3, 4, 5]
    assert kept.frames == 14
    assert (kept.last, kept.end) == (Fraction(4, FPS), Fraction(5, FPS))


@pytest.mark.parametrize("cut", [7, 12, 17])
def test_of_a_file_that_is_cut_off_what_comes_before_its_last_key_frame(output: Path, cut: int) -> None:
    path = write_video(folder_of(output) / "1.mp4")
    at, size = stored(path)[cut]
    path.write_bytes(path.read_bytes()[: at + size // 2])
    kept, whole = kept_of(output), cut // GROUP * GROUP
    assert (kept.frames, kept.last, kept.end) == (whole, Fraction(whole - 1, FPS), Fraction(whole, FPS))


def test_of_a_finished_video_that_lost_its_end_too(tmp_path: Path) -> None:
    output = tmp_path / "out.mov"
    write_video(output, comment=mark(MAKING, "s", Fraction(0)))
    at, size = stored(output)[13]
    output.write_bytes(output.read_bytes()[: at + size // 2])
    assert kept_of(output).frames == 10


def test_nothing_of_a_file_without_a_whole_group(output: Path) -> None:
    path = write_video(folder_of(output) / "1.mp4")
    at, size = stored(path)[3]
    path.write_bytes(path.read_bytes()[: at + size])
    assert find_kept(output, MAKING) is None
    path.write_bytes(b"")
    assert find_kept(output, MAKING) is None


def test_a_packet_that_no_frame_comes_of_is_damage(output: Path) -> None:
    """Decoders take it for the end of a sequence, without an error: only a count of frames tells."""
    path = write_video(folder_of(output) / "1.mp4")
    (at, _), content = stored(path)[7], bytearray(path.read_bytes())
    content[at + 4] = content[at + 4] & 0xE0 | 10  # the header of an H.264 NAL unit
    path.write_bytes(content)
    with av.open(path) as container:
        assert sum(1 for _ in container.decode(video=0)) == 19
    assert find_kept(output, MAKING) is None


@pytest.mark.parametrize(("zeros", "usable"), [(511, True), (512, False)])
def test_a_hole_of_a_disk_block_is_data_that_never_came(output: Path, zeros: int, usable: bool) -> None:
    """Without a look into frames; with one, less is damage too."""
    path = write_video(folder_of(output) / "1.mp4")
    for packet, frames in ((13, 10), (3, 0)):  # the second leaves no whole group
        (at, size), content = stored(path)[packet], bytearray(path.read_bytes())
        assert size > 1000
        content[at + 100 : at + 100 + zeros] = bytes(zeros)
        content[at + 99] = content[at + 100 + zeros] = 1
        path.write_bytes(content)
        kept = find_kept(output, MAKING)
        assert (kept.frames if kept is not None else 0) == frames
    assert interrupted(output) == usable


@pytest.mark.parametrize(
    ("end", "frames"),
    [
        ((16).to_bytes(4, "big") + b"free" + b"12345678", 20),
        ((8).to_bytes(4, "big") + b"free", 20),
        ((1).to_bytes(4, "big") + b"free" + (24).to_bytes(8, "big") + b"12345678", 20),  # 64 bits of length
        ((1).to_bytes(4, "big") + b"free" + (2**32 + 16).to_bytes(8, "big"), 15),
        ((17).to_bytes(4, "big") + b"free" + b"12345678", 15),
        ((15).to_bytes(4, "big") + b"free" + b"12345678", 15),
        ((7).to_bytes(4, "big") + b"fre", 15),
        (bytes(8), 15),
        (bytes(4) + b"free" + (16).to_bytes(8, "big"), 15),
    ],
    ids=str,
)
def test_a_file_ends_where_a_box_does(output: Path, end: bytes, frames: int) -> None:
    path = write_video(folder_of(output) / "1.mp4")
    path.write_bytes(path.read_bytes() + end)
    assert kept_of(output).frames == frames


def test_a_part_that_is_no_video(output: Path) -> None:
    (folder_of(output) / "1.mp4").write_text("no video")
    assert find_kept(output, MAKING) is None
    write_video(folder_of(output) / "2.mp4", 3)
    assert kept_of(output).frames == 3


def test_a_part_that_has_sound_alone(output: Path) -> None:
    part = folder_of(output) / "1.mp4"
    with av.open(f"file:{part}", "w", options=FRAGMENTED) as container:
        sound = container.add_stream("aac", rate=48_000, layout="mono")
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        silence.sample_rate = 48_000
        container.mux([*sound.encode(silence), *sound.encode(None)])
    assert find_kept(output, MAKING) is None


def test_a_finished_video_with_damage_inside_is_used_up_to_the_group_before(tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    write_video(output, comment=mark(MAKING, "s", Fraction(0)))
    (at, size), content = stored(output)[13], bytearray(output.read_bytes())
    content[at + 5 : at + size] = np.random.default_rng(0).bytes(size - 5)
    output.write_bytes(content)
    assert kept_of(output).frames == 10


def test_a_video_that_others_have_made_as_a_part(tmp_path: Path) -> None:
    """Of a clip that was cut: it begins where its segment does."""
    path, start = write_video(tmp_path / "2.mp4"), Fraction(7, 3)
    part = part_from(path, start)
    assert part == VideoPart(
        path=path, packets=20, last=start + Fraction(19, FPS), end=start + 2, late=-start
    )
    assert next(iter(part)).pts == round(start * TICKS)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(SinkError, match=r"2\.mp4: is damaged; it must be made again"):
        part_from(path, start)


# Its packets


def test_packets_up_to_where_a_part_is_whole(output: Path) -> None:
    path = write_video(folder_of(output) / "1.mp4")
    with av.open(f"file:{path}") as container:
        expected = [(p.pts, p.dts, bytes(p)) for p in container.demux(video=0) if p.size]
    part = VideoPart(path=path, packets=12, last=Fraction(0), end=Fraction(0))
    assert [(p.pts, p.dts, bytes(p)) for p in part] == expected[:12]
    late = VideoPart(path=path, packets=1, last=Fraction(0), end=Fraction(0), late=Fraction(2, 3))
    ticks = 6827  # of 10,240 a second
    assert [(p.pts, p.dts) for p in late] == [(-ticks, expected[0][1] - ticks)]


def test_packets_of_a_part_that_became_shorter_just_end(output: Path) -> None:
    path = write_video(folder_of(output) / "1.mp4")
    (part,) = kept_of(output).parts
    at, _ = stored(path)[7]
    path.write_bytes(path.read_bytes()[:at])
    assert len(list(part)) == 7
    path.unlink()
    assert list(part) == []


def test_decoding_times_that_matroska_leaves_out(tmp_path: Path) -> None:
    path = write_video(tmp_path / "out.mkv", 8)
    with av.open(f"file:{path}") as container:
        assert [p.dts for p in container.demux(video=0) if p.size][:3] == [None, None, 0]
    part = VideoPart(path=path, packets=8, last=Fraction(0), end=Fraction(0))
    assert [p.dts for p in part] == [100 * index - 200 for index in range(8)]
    assert [p.pts for p in part] == [0, 300, 100, 200, 400, 500, 700, 600]


# What a finished video and the record beside it say


@pytest.mark.parametrize("name", ["out.mp4", "out.mkv", "out.webm"])
def test_a_finished_video_that_was_cut_short_is_the_first_part(tmp_path: Path, name: str) -> None:
    output, moved, comment = tmp_path / name, Fraction(1, 2), mark(MAKING, "of the encoder", Fraction(0))
    suffix = ".mkv" if name == "out.webm" else output.suffix  # the same, with codecs that webm refuses
    write_video(tmp_path / f"written{suffix}", start=moved, comment=comment).rename(output)
    assert not complete(output) and not interrupted(output)
    kept = kept_of(output)
    (part,) = kept.parts
    assert (kept.stream, kept.start, part.path, part.late) == ("of the encoder", 0, output, moved)
    assert (kept.frames, kept.last, kept.end) == (20, Fraction(19, FPS), 2)
    assert next(iter(part)).pts == 0


def test_a_video_begins_where_its_first_frame_did(tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    write_video(output, start=Fraction(1, 4), comment=mark(MAKING, "s", Fraction(1, 4)))
    kept = kept_of(output)
    assert (kept.start, kept.parts[0].late, kept.last) == (
        Fraction(1, 4),
        0,
        Fraction(1, 4) + Fraction(19, FPS),
    )


def test_the_parts_times_are_the_videos_own(output: Path) -> None:
    say(output, start="1/4", continues=True)
    write_video(output, 10, start=Fraction(3, 4))
    write_video(folder_of(output) / "1.mp4", 5, start=Fraction(2))
    kept = kept_of(output)
    assert [part.late for part in kept.parts] == [Fraction(1, 2), 0]
    assert (kept.start, kept.frames, kept.last) == (Fraction(1, 4), 15, Fraction(24, FPS))


@pytest.mark.parametrize(("said", "frames"), [({"continues": False}, 5), ({"continues": True}, 15), ({}, 15)])
def test_whether_a_video_with_the_name_is_continued(
    output: Path, said: dict[str, object], frames: int
) -> None:
    say(output, **said)
    write_video(output, 10)
    write_video(folder_of(output) / "1.mp4", 5, start=Fraction(1))
    assert kept_of(output).frames == frames


def test_the_sound_of_a_video_is_none_of_its_frames(output: Path) -> None:
    say(output, continues=True)
    make_clip(output.parent, output.name, frames=20, fps=FPS, codec="mpeg4", audio="aac")
    kept = kept_of(output)
    assert (kept.frames, kept.end) == (20, 2)
    assert len(list(kept.parts[0])) == 20


@pytest.mark.parametrize("start", ["soon", "1/0", [1], None])
def test_a_start_that_is_no_number(output: Path, start: object) -> None:
    write_video(folder_of(output) / "1.mp4")
    say(output, start=start)
    assert find_kept(output, MAKING) is None


def test_what_was_made_otherwise_is_named(output: Path) -> None:
    write_video(folder_of(output) / "1.mp4")
    with pytest.raises(
        SinkError, match=r"was begun with another model, --crf; repeat that one, or add --over"
    ):
        find_kept(output, {**MAKING, "model": "c", "--crf": "20"})
    with pytest.raises(SinkError, match=r"was begun with another --new; repeat"):
        find_kept(output, {"--new": "1"})
    assert find_kept(output, {"input": "a"}) is not None


@pytest.mark.parametrize("content", ["no json", "[]", "{}", '{"making": "a"}'])
def test_a_record_that_says_nothing(output: Path, content: str) -> None:
    write_video(folder_of(output) / "1.mp4")
    (folder_of(output) / "about.json").write_text(content)
    with pytest.raises(SinkError, match=r"about\.json doesn't say what it was made from; add --overwrite"):
        find_kept(output, MAKING)
    assert interrupted(output), "or its parts would be overwritten"


def test_what_is_complete_and_what_was_interrupted(output: Path) -> None:
    assert not complete(output) and not interrupted(output)
    part = write_video(folder_of(output) / "1.mp4")
    assert interrupted(output)
    write_video(output)
    assert not complete(output)
    (folder_of(output) / "about.json").unlink()
    assert complete(output) and not interrupted(output)
    assert find_kept(output, MAKING) is None, "nothing says what it was made from"
    part.unlink()
    say(output)
    assert not interrupted(output)


@pytest.mark.parametrize("comment", ["", "filmed in Rome", "[]", '{"making": 1}'])
def test_a_video_of_others_is_complete(tmp_path: Path, comment: str) -> None:
    write_video(tmp_path / "out.mp4", 3, comment=comment)
    assert complete(tmp_path / "out.mp4")
    assert find_kept(tmp_path / "out.mp4", MAKING) is None


def test_a_file_that_is_no_video_is_not_gone_on_with(tmp_path: Path) -> None:
    (tmp_path / "out.mp4").write_text("notes")
    assert complete(tmp_path / "out.mp4")
    assert find_kept(tmp_path / "out.mp4", MAKING) is None


def test_frames_whose_times_were_rounded_are_not_made_again(tmp_path: Path) -> None:
    fps, output = 30, tmp_path / "out.mkv"
    write_video(output, 20, fps=fps, comment=mark(MAKING, "s", Fraction(0)))
    kept = kept_of(output)
    assert 0 < Fraction(19, fps) - kept.last < Fraction(1, 2000), "Matroska has milliseconds"
    with VideoSink(output, VideoInfo(64, 48, Fraction(fps)), kept=kept) as sink:
        for index in range(25):
            sink.write(Frame(np.zeros((48, 64, 3), np.uint8), index, Fraction(index, fps)))
    assert len(stored(output)) == 25
