"""The written video: all frames at their times, in their colours, with the sound; or nothing at all."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from doubles import files_in
from probe import frame_number, frame_times, grey, packets, yuv420

from unit_edge.errors import SinkError
from unit_edge.frames import Colour, Frame, VideoInfo
from unit_edge.runtime.sinks.video.sink import VideoSink
from unit_edge.runtime.sources.video import FileSource

WriteClip = Callable[..., Path]
NTSC = Fraction(30000, 1001)
SIZE = (64, 48)


def info(**changes: Any) -> VideoInfo:
    return VideoInfo(**{"width": SIZE[0], "height": SIZE[1], "fps": Fraction(25), **changes})


def write(path: Path, times: list[Fraction], about: VideoInfo | None = None, **options: Any) -> None:
    about = about or info()
    with VideoSink(path, about, **options) as sink:
        for index, pts in enumerate(times):
            sink.write(Frame(grey(index, (about.width, about.height)), index, pts))


def copy(source: Path, target: Path, frames: int | None = None) -> None:
    """Through our source and our sink, sound included."""
    with (
        FileSource(source) as video,
        VideoSink(target, video.info, audio_from=source if video.info.has_audio else None) as sink,
    ):
        for frame in video:
            if frames is not None and frame.index == frames:
                sink.cut_short()
                break
            sink.write(frame)


@pytest.mark.parametrize("name", ["out.mp4", "out.mov", "out.mkv", "out.m4v"])
def test_every_frame_in_order(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, [Fraction(index, 25) for index in range(20)])
    with av.open(str(tmp_path / name)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        images = [frame.to_ndarray(format="bgr24") for frame in container.decode(stream)]
    assert [frame_number(image) for image in images] == list(range(20))
    assert frame_times(tmp_path / name) == [Fraction(index, 25) for index in range(20)]


def test_ntsc_stays_ntsc(tmp_path: Path) -> None:
    times = [index / NTSC for index in range(40)]
    write(tmp_path / "out.mp4", times, info(fps=NTSC, time_base=Fraction(1, 30_000)))
    with av.open(str(tmp_path / "out.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == stream.guessed_rate == NTSC
        assert stream.duration * stream.time_base == 40 / NTSC
    assert frame_times(tmp_path / "out.mp4") == times


def test_varying_frame_rate_keeps_its_times(tmp_path: Path) -> None:
    times = [Fraction(n, 600) for n in (0, 10, 70, 71, 400, 500, 505)]
    write(tmp_path / "out.mp4", times, info(time_base=Fraction(1, 600)))
    assert frame_times(tmp_path / "out.mp4") == times


def test_the_last_frame_is_shown_as_long_as_its_duration(tmp_path: Path) -> None:
    with VideoSink(tmp_path / "out.mp4", info()) as sink:
        sink.write(Frame(grey(0), 0, Fraction(0)))
        sink.write(Frame(grey(1), 1, Fraction(1, 25), duration=Fraction(3)))
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.duration / av.time_base == pytest.approx(3.04, abs=0.001)


def test_players_can_start_before_all_is_loaded(tmp_path: Path) -> None:
    write(tmp_path / "out.mp4", [Fraction(index, 25) for index in range(5)])
    data = (tmp_path / "out.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize("colour", [Colour(1, 1, 1), Colour(6, 6, 6), Colour(5, 5, 6)])
def test_colours_survive(tmp_path: Path, colour: Colour) -> None:
    patches = np.random.default_rng(1).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    image = patches.repeat(8, axis=0).repeat(8, axis=1)
    with VideoSink(tmp_path / "out.mp4", info(colour=colour), crf=1) as sink:
        for index in range(3):
            sink.write(Frame(image, index, Fraction(index, 25)))
    with av.open(str(tmp_path / "out.mp4")) as container:
        frame = next(container.decode(video=0))
        tags = frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range
        planes = frame.to_ndarray()
    assert tags == (colour.matrix, colour.primaries, colour.transfer, 1)
    off = planes.astype(int) - yuv420(image, colour.matrix)
    assert abs(off[:48].mean()) < 0.2 and np.abs(off[:48]).mean() < 1.0
    with FileSource(tmp_path / "out.mp4") as source:
        assert source.info.colour == colour
        back = next(iter(source)).image[4::8, 4::8].astype(int)
    assert np.abs(back - patches).mean() < 1.5
    assert np.abs((back - patches).mean(axis=(0, 1))).max() < 0.7


def test_ten_times_through_does_not_drift(tmp_path: Path, write_clip: WriteClip) -> None:
    path = write_clip("0.mp4", frames=2, paint=lambda _: np.full((48, 64, 3), (90, 120, 150), np.uint8))
    with FileSource(path) as source:
        first = next(iter(source)).image.mean(axis=(0, 1))
    for turn in range(1, 11):
        copy(path, tmp_path / f"{turn}.mp4")
        path = tmp_path / f"{turn}.mp4"
    with FileSource(path) as source:
        assert np.abs(next(iter(source)).image.mean(axis=(0, 1)) - first).max() <= 1


@pytest.mark.parametrize(
    ("size", "written"), [((63, 48), (64, 48)), ((64, 47), (64, 48)), ((35, 33), (36, 34))]
)
def test_odd_sizes_grow_by_their_last_line(
    tmp_path: Path, size: tuple[int, int], written: tuple[int, int]
) -> None:
    image = np.tile(np.linspace(0, 255, size[0]).astype(np.uint8)[None, :, None], (size[1], 1, 3))
    with VideoSink(tmp_path / "out.mp4", info(width=size[0], height=size[1]), crf=1) as sink:
        assert (sink.width, sink.height) == written
        sink.write(Frame(image, 0, Fraction(0)))
    with FileSource(tmp_path / "out.mp4") as source:
        assert (source.info.width, source.info.height) == written
        back = next(iter(source)).image
    assert np.abs(back[: size[1], : size[0]].astype(int) - image).mean() < 3
    assert np.abs(back[-1, -1].astype(int) - image[-1, -1]).max() < 6


def test_pixels_that_are_not_square_stay_so(tmp_path: Path) -> None:
    write(tmp_path / "out.mp4", [Fraction(0)], info(pixel_aspect=Fraction(16, 11)))
    with FileSource(tmp_path / "out.mp4") as source:
        assert source.info.pixel_aspect == Fraction(16, 11)


@pytest.mark.parametrize(
    ("name", "audio", "target"),
    [
        ("in.mp4", "aac", "out.mp4"),
        ("in.mp4", "aac", "out.mkv"),
        ("in.mkv", "libmp3lame", "out.mp4"),
        ("in.mkv", "libopus", "out.mp4"),
        ("in.mkv", "pcm_s16le", "out.mkv"),
        ("in.mov", "alac", "out.mov"),
        ("in.mov", "pcm_s16le", "out.mov"),
    ],
)
def test_sound_is_copied(write_clip: WriteClip, tmp_path: Path, name: str, audio: str, target: str) -> None:
    source = write_clip(name, frames=30, audio=audio)
    copy(source, tmp_path / target)
    before, after = packets(source, "audio"), packets(tmp_path / target, "audio")
    assert [data for _, data in after] == [data for _, data in before]
    # Matroska has no times before 0: picture and sound move together.
    moved = frame_times(tmp_path / target)[0] - frame_times(source)[0]
    expected = [float(time + moved) for time, _ in before]
    assert [float(time) for time, _ in after] == pytest.approx(expected, abs=0.0011)


def test_sound_of_a_transport_stream_loses_only_its_headers(write_clip: WriteClip, tmp_path: Path) -> None:
    source = write_clip("in.ts", frames=30, audio="aac", options={"output_ts_offset": "5"})
    copy(source, tmp_path / "out.mp4")
    before, after = packets(source, "audio"), packets(tmp_path / "out.mp4", "audio")
    assert [data for _, data in after] == [data[7:] for _, data in before]
    picture_lead = frame_times(source)[0] - before[0][0]
    assert frame_times(tmp_path / "out.mp4")[0] - after[0][0] == pytest.approx(picture_lead, abs=1e-4)


@pytest.mark.parametrize(
    ("name", "audio", "target"),
    [
        ("in.avi", "pcm_s16le", "out.mp4"),
        ("in.mkv", "mp2", "out.mp4"),
        ("in.mkv", "libopus", "out.mov"),
    ],
)
def test_sound_that_the_file_type_can_not_hold_becomes_aac(
    write_clip: WriteClip, tmp_path: Path, name: str, audio: str, target: str
) -> None:
    source = write_clip(name, frames=50, audio=audio, codec="mpeg4", time_base=Fraction(1, 25))
    copy(source, tmp_path / target)
    with av.open(str(tmp_path / target)) as container:
        stream = container.streams.audio[0]
        assert (stream.codec_context.name, stream.rate, stream.channels) == ("aac", 48_000, 2)
        sound = np.concatenate([f.to_ndarray()[0] for f in container.decode(stream)])
    assert len(sound) / 48_000 == pytest.approx(2.0, abs=0.06)
    tone = np.abs(np.fft.rfft(sound[4800:52_800]))
    assert tone.argmax() == 440  # Hz: the piece is a second long


def test_sound_and_picture_take_turns(write_clip: WriteClip, tmp_path: Path) -> None:
    source = write_clip(frames=300, fps=10, audio="aac")  # longer than FFmpeg itself waits for either
    copy(source, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        stored = sorted((packet for packet in container.demux() if packet.size), key=lambda p: p.pos)
        times = [float(packet.pts * packet.time_base) for packet in stored]
    back = [latest - time for latest, time in zip(accumulate(times, max), times, strict=True)]
    assert max(back) < 1.5, "players would have to jump"


def test_late_sound_stays_late(write_clip: WriteClip, tmp_path: Path) -> None:
    source = write_clip("in.mp4", frames=30, audio="aac", audio_start=Fraction(1, 2))
    copy(source, tmp_path / "out.mp4")
    before, after = packets(source, "audio"), packets(tmp_path / "out.mp4", "audio")
    assert [data for _, data in after] == [data for _, data in before]
    assert float(after[0][0]) == pytest.approx(float(before[0][0]), abs=1e-4)
    assert 0.4 < after[0][0] - frame_times(tmp_path / "out.mp4")[0] < 0.6


def test_a_video_that_was_cut_short_has_no_longer_sound(write_clip: WriteClip, tmp_path: Path) -> None:
    source = write_clip("in.mp4", frames=75, audio="aac")
    copy(source, tmp_path / "out.mp4", frames=25)
    assert len(frame_times(tmp_path / "out.mp4")) == 25
    assert 0.9 < float(packets(tmp_path / "out.mp4", "audio")[-1][0]) < 1.0


def test_an_exception_leaves_nothing_and_keeps_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "out.mp4").write_bytes(b"precious")
    with pytest.raises(RuntimeError), VideoSink(tmp_path / "out.mp4", info()) as sink:
        for index in range(60):
            sink.write(Frame(grey(index), index, Fraction(index, 25)))
        raise RuntimeError
    assert files_in(tmp_path) == {"out.mp4"}
    assert (tmp_path / "out.mp4").read_bytes() == b"precious"


def test_a_power_cut_finds_the_parts_or_the_whole_video(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is synced is told by its inode: the name changes when it is put in place."""
    fsync, on_disk = os.fsync, set[int]()

    def spy(descriptor: int) -> None:
        fsync(descriptor)
        assert not (tmp_path / "out.mp4").exists(), "first the content, then the name"
        on_disk.add(os.fstat(descriptor).st_ino)

    monkeypatch.setattr(os, "fsync", spy)
    write(tmp_path / "out.mp4", [Fraction(index, 25) for index in range(3)])
    assert (tmp_path / "out.mp4").stat().st_ino in on_disk


def test_no_frames_make_no_file(tmp_path: Path) -> None:
    with VideoSink(tmp_path / "out.mp4", info()):
        pass
    assert files_in(tmp_path) == set()


def test_what_can_not_be_written_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(SinkError, match=r"\.mp4, \.m4v, \.mov, \.mkv"),
        VideoSink(tmp_path / "out.gif", info()),
    ):
        pass
    with pytest.raises(SinkError, match="No such file"), VideoSink(tmp_path / "no" / "out.mp4", info()):
        pass
    with (
        pytest.raises(SinkError, match="a frame of 20x10"),
        VideoSink(tmp_path / "out.mp4", info()) as sink,
    ):
        sink.write(Frame(grey(0, (20, 10)), 0, Fraction(0)))
    assert files_in(tmp_path) == set()


def test_a_full_disk_is_one_error_and_leaves_nothing(tmp_path: Path) -> None:
    code = """
import resource, sys
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
import numpy as np
from unit_edge.errors import SinkError
from unit_edge.frames import Frame, VideoInfo
from unit_edge.runtime.sinks.video.sink import VideoSink
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
noise = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
try:
    with VideoSink(Path(sys.argv[1]), VideoInfo(128, 96, Fraction(25)), crf=1) as sink:
        for index in range(200):
            sink.write(Frame(np.roll(noise, index, 0), index, Fraction(index, 25)))
except SinkError as error:
    print(error)
"""
    command = [sys.executable, "-c", code, str(tmp_path / "out.mp4")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "out.mp4: can't be written: File too large" in done.stdout
    assert done.stderr == ""
    assert files_in(tmp_path) == set()
