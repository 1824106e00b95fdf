"""Videos as training images, and the cache that saves decoding them again."""

from __future__ import annotations

import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from probe import frame_number, frame_times

from unit_edge.config import DataConfig, DomainConfig
from unit_edge.errors import DataError
from unit_edge.train.data import frames_cache
from unit_edge.train.data.decode import ImageItem, read_image
from unit_edge.train.data.frames_cache import cache_root, video_frames
from unit_edge.train.data.sources import domain_images
from unit_edge.train.data.video import SampledFrames

WriteClip = Callable[..., Path]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "unit-edge" / "frames"


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The videos that are decoded from here on."""
    videos: list[Path] = []

    def note(video: Path, every_s: float) -> SampledFrames:
        videos.append(video)
        return SampledFrames(video, every_s)

    monkeypatch.setattr(frames_cache, "SampledFrames", note)
    return videos


def one_line(video: Path, every_s: float = 1.0) -> str:
    with pytest.raises(DataError) as error:
        video_frames(video, every_s)
    assert "\n" not in str(error.value)
    return str(error.value)


def expected_frames(times: list[Fraction], every: Fraction) -> list[int]:
    """Which frames are the first at or after each multiple of the interval, found one by one."""
    found: list[int] = []
    for multiple in range(int((times[-1] - times[0]) / every) + 1):
        index = next(i for i, time in enumerate(times) if time - times[0] >= multiple * every)
        if index not in found:
            found.append(index)
    return found


def bar_at(index: int) -> np.ndarray:
    """A white bar whose place tells which frame it is, after compression too."""
    image = np.zeros((48, 160, 3), np.uint8)
    image[:, 2 * index : 2 * index + 2] = 255
    return image


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.ts"])
@pytest.mark.parametrize("every_s", [0.04, 0.2, 0.5, 1.0, 60.0])
@pytest.mark.parametrize("codec", ["mpeg4", "libx264"])  # a key frame every 12 frames; one in all
def test_a_frame_of_every_interval(write_clip: WriteClip, name: str, every_s: float, codec: str) -> None:
    path = write_clip(name, frames=80, size=(160, 48), codec=codec, paint=bar_at, time_base=Fraction(1, 25))
    images = [read_image(ImageItem(frame)) for frame in video_frames(path, every_s)]
    found = [int(image.mean(axis=(0, 2)).reshape(80, 2).sum(axis=1).argmax()) for image in images]
    assert found == expected_frames([Fraction(i, 25) for i in range(80)], Fraction(str(every_s)))


def test_times_decide_and_not_the_count_of_frames(write_clip: WriteClip) -> None:
    times = [Fraction(i, 10) for i in (0, 1, 2, 3, 9, 10, 11, 30, 31, 52)]
    path = write_clip("a.mkv", times=times, time_base=Fraction(1, 1000))
    assert frame_times(path) == times
    numbers = [frame_number(read_image(ImageItem(frame))) for frame in video_frames(path, 1.0)]
    assert numbers == [0, 5, 7, 9]


def test_recordings_that_were_joined_byte_by_byte(write_clip: WriteClip, tmp_path: Path) -> None:
    part = write_clip("a.ts", frames=60, codec="mpeg4", time_base=Fraction(1, 25)).read_bytes()
    (tmp_path / "joined.ts").write_bytes(part + part)
    assert 9 <= len(video_frames(tmp_path / "joined.ts", 0.5)) <= 10


@pytest.mark.parametrize(("rotation", "corner"), [(90, (-1, 0)), (-90, (0, -1)), (180, (-1, -1))])
def test_frames_are_upright(write_clip: WriteClip, rotation: int, corner: tuple[int, int]) -> None:
    def paint(_: int) -> np.ndarray:
        image = np.full((32, 64, 3), 30, np.uint8)
        image[:16, :32] = 220
        return image

    path = write_clip(size=(64, 32), rotation=(rotation, False), paint=paint, frames=3)
    image = read_image(ImageItem(video_frames(path, 1.0)[0]))
    assert image.shape == ((32, 64, 3) if rotation == 180 else (64, 32, 3))
    assert image[corner].mean() > 200
    assert image[-1 - corner[0], -1 - corner[1]].mean() < 50


def test_frames_are_bgr(write_clip: WriteClip) -> None:
    blue = np.full((48, 64, 3), (200, 60, 40), np.uint8)
    path = write_clip(paint=lambda _: blue, colour=(1, 1, 1, 1), frames=2)
    assert np.abs(read_image(ImageItem(video_frames(path, 1.0)[0])).astype(int) - blue).max() < 4


def test_a_second_run_decodes_nothing(write_clip: WriteClip, cache: Path, decoded: list[Path]) -> None:
    path = write_clip(frames=50)
    frames = video_frames(path, 0.5)
    assert len(frames) == 4
    assert all(frame.is_relative_to(cache) and frame.suffix == ".png" for frame in frames)
    assert video_frames(path, 0.5) == frames
    assert decoded == [path]
    assert list(cache.iterdir()) == [frames[0].parent]


def test_a_changed_video_or_interval_is_decoded_anew(write_clip: WriteClip, decoded: list[Path]) -> None:
    path = write_clip(frames=50)
    frames = video_frames(path, 0.5)
    assert len(video_frames(path, 1.0)) == 2
    os.utime(path, (1, 1))
    assert video_frames(path, 0.5)[0].parent != frames[0].parent
    assert len(decoded) == 3


@pytest.mark.parametrize("damage", ["a frame is gone", "a frame is short", "no record", "half a record"])
def test_a_damaged_cache_is_made_anew(write_clip: WriteClip, decoded: list[Path], damage: str) -> None:
    path = write_clip(frames=50)
    frames = video_frames(path, 0.5)
    kept = [frame.read_bytes() for frame in frames]
    record = frames[0].parent / "frames.json"
    if damage == "a frame is gone":
        frames[2].unlink()
    elif damage == "a frame is short":
        frames[2].write_bytes(kept[2][:-1])
    elif damage == "no record":
        record.unlink()
    else:
        record.write_text(record.read_text()[:20])
    assert video_frames(path, 0.5) == frames
    assert [frame.read_bytes() for frame in frames] == kept
    assert len(decoded) == 2


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_an_interrupted_extraction_leaves_nothing(
    write_clip: WriteClip, cache: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    path = write_clip(frames=50)

    class Broken(SampledFrames):
        def __iter__(self):  # type: ignore[no-untyped-def]
            for index, image in enumerate(super().__iter__()):
                if index == 2:
                    raise error
                yield image

    with monkeypatch.context() as patch:
        patch.setattr(frames_cache, "SampledFrames", Broken)
        if isinstance(error, OSError):
            assert "No space left" in one_line(path, 0.5)
        else:
            with pytest.raises(KeyboardInterrupt):
                video_frames(path, 0.5)
    assert list(cache.iterdir()) == []
    assert len(video_frames(path, 0.5)) == 4


def test_what_a_killed_extraction_left_is_ignored_and_removed_in_time(
    write_clip: WriteClip, cache: Path
) -> None:
    for name, age_s in ((".unfinished-old", 48 * 3600), (".unfinished-new", 60)):
        (cache / name).mkdir(parents=True)
        (cache / name / "000000.png").write_bytes(b"half")
        then = (cache / name).stat().st_mtime - age_s
        os.utime(cache / name, (then, then))
    frames = video_frames(write_clip(frames=50), 0.5)
    assert len(frames) == 4
    assert {path.name for path in cache.iterdir()} == {".unfinished-new", frames[0].parent.name}


def test_another_process_may_be_faster(
    write_clip: WriteClip, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_clip(frames=50)

    def slow(video: Path, every_s: float) -> SampledFrames:
        monkeypatch.setattr(frames_cache, "SampledFrames", SampledFrames)
        video_frames(video, every_s)
        return SampledFrames(video, every_s)

    monkeypatch.setattr(frames_cache, "SampledFrames", slow)
    assert len(video_frames(path, 0.5)) == 4
    assert len(list(cache.iterdir())) == 1


def test_the_cache_is_where_xdg_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    for value in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert cache_root() == Path("/home/someone/.cache/unit-edge/frames")


def test_a_cache_that_cannot_be_written(
    write_clip: WriteClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert "set XDG_CACHE_HOME to a folder" in one_line(write_clip())


@pytest.mark.parametrize("name", ["cut.mp4", "cut.mkv", "cut.avi"])
def test_a_video_that_is_cut_off_gives_the_frames_so_far(
    write_clip: WriteClip, capsys: pytest.CaptureFixture[str], decoded: list[Path], name: str
) -> None:
    noise = np.random.default_rng(0)
    path = write_clip(
        name,
        frames=100,
        codec="mpeg4",
        time_base=Fraction(1, 25),
        paint=lambda _: noise.integers(0, 256, (48, 64, 3), dtype=np.uint8),
        options={"movflags": "faststart"} if name.endswith("mp4") else {},
    )
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    for _ in range(2):  # decoded, and from the cache
        frames = video_frames(path, 0.5)
        assert 3 <= len(frames) <= 5
        lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning")]
        assert len(lines) == 1
        assert f"{name}: it is cut off" in lines[0]
        assert f"the {len(frames)} frames taken from it" in lines[0]
    assert len(decoded) == 1


@pytest.mark.parametrize("name", ["hole.mp4", "hole.mkv", "hole.ts"])
def test_a_video_with_a_hole_goes_on_behind_it(write_clip: WriteClip, name: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (120, 48, 64, 3), dtype=np.uint8)
    path = write_clip(name, frames=120, codec="mpeg4", paint=lambda i: noise[i], time_base=Fraction(1, 25))
    whole = [read_image(ImageItem(frame)) for frame in video_frames(path, 0.2)]
    data = bytearray(path.read_bytes())
    middle = len(data) // 3
    data[middle : middle + 1000] = b"\xa5" * 1000
    path.write_bytes(bytes(data))
    frames = [read_image(ImageItem(frame)) for frame in video_frames(path, 0.2)]
    assert len(whole) / 2 < len(frames) <= len(whole)
    assert np.array_equal(frames[0], whole[0])
    assert np.array_equal(frames[-1], whole[-1])


def test_a_whole_video_is_taken_without_a_warning(
    write_clip: WriteClip, capsys: pytest.CaptureFixture[str]
) -> None:
    video_frames(write_clip(frames=50, audio="aac"), 0.5)
    assert "warning" not in capsys.readouterr().err


def test_what_is_no_video(tmp_path: Path, cache: Path) -> None:
    for name, content in (("notes.mp4", b"no video"), ("empty.mp4", b""), ("zeros.mkv", bytes(5000))):
        (tmp_path / name).write_bytes(content)
        assert name in one_line(tmp_path / name)
    assert not cache.exists() or list(cache.iterdir()) == []


def test_a_recording_of_sound(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "sound.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    assert "no video in it" in one_line(tmp_path / "sound.wav")


def test_a_video_without_frames(write_clip: WriteClip) -> None:
    path = write_clip("a.mkv", frames=30)
    data = path.read_bytes()
    path.write_bytes(data[:700])
    assert "a.mkv" in one_line(path)


def test_each_video_of_a_domain_is_split_by_itself(write_clip: WriteClip, tmp_path: Path) -> None:
    write_clip("b.mp4", frames=250)
    write_clip("a.mp4", frames=125)
    assert cv2.imwrite(str(tmp_path / "single.png"), np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "list.txt").write_text("a.mp4\nsingle.png\n")
    data = DataConfig(validation=0.2, gap=0.01)
    training, held_out = domain_images(DomainConfig(name="x", paths=("b.mp4", "list.txt")), tmp_path, data)
    names = [(item.path.parent.name[0], item.path.stem) for item in held_out]
    assert names == [("b", "000008"), ("b", "000009"), ("a", "000004")]
    assert len(training) == 7 + 3 + 1


def test_samples_of_a_real_clip_are_those_of_a_full_decode(data_root: Path) -> None:
    path = data_root / "videos" / "tmo_countryroad.mp4"
    with av.open(str(path)) as container:
        frames = [(f.pts * f.time_base, f.to_ndarray(format="gray")) for f in container.decode(video=0)]
    times = [time for time, _ in frames]
    expected = [frames[i][1] for i in expected_frames(times, Fraction(5, 2))]
    images = list(SampledFrames(path, 2.5))
    assert len(images) == len(expected) == 6
    for image, grey in zip(images, expected, strict=True):
        assert np.abs(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(float) - grey).mean() < 8
