"""From path to path: the checks before the work, and whole translations with real models of ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from doubles import files_in, picture
from probe import frame_number, frame_times, packets

from unit_edge.errors import ConfigError, ModelError, SinkError, SourceError, TruncatedError
from unit_edge.media.images import read_image
from unit_edge.runtime.request import check_output, default_output
from unit_edge.runtime.sheet import contact_sheet
from unit_edge.runtime.sinks.codecs import Encoding
from unit_edge.runtime.sinks.images import write_image
from unit_edge.runtime.sources.video import FileSource
from unit_edge.runtime.translate import StartedRun, translate

WriteClip = Callable[..., Path]
WriteModel = Callable[..., Path]


def images_of(path: Path) -> list[np.ndarray]:
    with FileSource(path) as source:
        return [frame.image for frame in source]


@pytest.mark.parametrize("shape", [(None, None, None, 3), (1, 24, 32, 3)], ids=["any size", "fixed size"])
def test_a_video_is_translated_frame_by_frame(
    write_clip: WriteClip, write_model: WriteModel, tmp_path: Path, shape: tuple[int | None, ...]
) -> None:
    source = write_clip(frames=20, fps=Fraction(30000, 1001), audio="aac")
    output = tmp_path / "out.mp4"
    jobs: list[StartedRun] = []
    progress: list[int] = []
    stats = translate(
        source,
        output,
        write_model("invert", shape),
        started=jobs.append,
        progress=lambda stats: progress.append(stats.frames),
    )
    assert [frame_number(255 - image) for image in images_of(output)] == list(range(20))
    assert frame_times(output) == frame_times(source)
    assert packets(output, "audio") == packets(source, "audio")
    assert jobs[0].output_size == (64, 48) and jobs[0].info.fps == Fraction(30000, 1001)
    assert progress == list(range(1, 21)) and stats.frames == 20
    assert not [name for name in files_in(tmp_path) if "part" in name]


def test_names_that_look_like_addresses(
    write_clip: WriteClip, write_model: WriteModel, tmp_path: Path
) -> None:
    source = write_clip(frames=3).rename(tmp_path / "12:30 50%d ä.mp4")
    translate(source, tmp_path / "out:1.mp4", write_model())
    assert len(frame_times(source)) == 3
    assert "out:1.mp4" in files_in(tmp_path)


def test_sound_can_be_left_out(write_clip: WriteClip, write_model: WriteModel, tmp_path: Path) -> None:
    source = write_clip(audio="aac")
    translate(source, tmp_path / "out.mp4", write_model(), encoding=Encoding(audio=False))
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert [stream.type for stream in container.streams] == ["video"]


def test_a_picture_and_a_folder_of_pictures(write_model: WriteModel, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for index, size in enumerate([(20, 30), (40, 10)]):
        write_image(folder / f"{index}.png", picture(index, size))
    model = write_model("invert")
    translate(folder / "0.png", tmp_path / "one.png", model)
    assert (read_image(tmp_path / "one.png") == 255).all()
    translate(folder, tmp_path / "out", model)
    assert files_in(tmp_path / "out") == {"0.png", "1.png"}
    assert read_image(tmp_path / "out" / "1.png").shape == (10, 40, 3)
    assert (read_image(tmp_path / "out" / "1.png") == 254).all()


def test_the_good_part_of_a_truncated_video_is_kept(
    write_clip: WriteClip, write_model: WriteModel, tmp_path: Path
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (24, 48, 64, 3), dtype=np.uint8)
    source = write_clip(frames=24, paint=lambda i: noise[i], audio="aac", options={"movflags": "+faststart"})
    source.write_bytes(source.read_bytes()[: source.stat().st_size * 2 // 3])
    with pytest.raises(TruncatedError) as caught:
        translate(source, tmp_path / "out.mp4", write_model())
    count = len(frame_times(tmp_path / "out.mp4"))
    assert 4 < count < 24
    assert f"after {count} of 24 frames" in str(caught.value)


def test_nothing_is_left_behind_by_a_failure(
    write_clip: WriteClip, write_model: WriteModel, tmp_path: Path
) -> None:
    clip, model = write_clip(), write_model()
    model.with_suffix(".json").unlink()
    before = files_in(tmp_path)
    with pytest.raises(ModelError):
        translate(clip, tmp_path / "out.mp4", model)
    with pytest.raises(SourceError):
        translate(model, tmp_path / "out.mp4", write_model("invert"))
    assert files_in(tmp_path) == before | {"invert.onnx", "invert.json"}


def test_default_outputs_are_in_the_current_folder() -> None:
    assert default_output(Path("/some/where/clip.MOV"), "night") == Path("clip-night.mp4")
    assert default_output(Path("photo.JPG"), "snow") == Path("photo-snow.jpg")


def test_default_output_of_a_folder(tmp_path: Path) -> None:
    assert default_output(tmp_path, "night") == Path(f"{tmp_path.name}-night")


def test_outputs_that_could_only_fail_are_refused(tmp_path: Path) -> None:
    clip, photo, folder = tmp_path / "clip.mp4", tmp_path / "photo.png", tmp_path / "photos"
    for path in (clip, photo, tmp_path / "there.mp4"):
        path.touch()
    folder.mkdir()
    (folder / "a.png").touch()
    (tmp_path / "link.mp4").symlink_to(clip)
    for source, output, expected in [
        (clip, clip, "is the input"),
        (clip, tmp_path / "link.mp4", "is the input"),
        (clip, tmp_path / "no" / "out.mp4", "there is no folder"),
        (clip, tmp_path / "there.mp4", "exists already; add --overwrite"),
        (clip, tmp_path / "out.gif", r"must be named \.mp4"),
        (clip, tmp_path / "out.png", r"must be named \.mp4"),
        (clip, folder, "is a folder"),
        (photo, tmp_path / "out.mp4", r"must be named \.png"),
        (folder, folder, "is the input"),
        (folder, clip, "is a file"),
    ]:
        with pytest.raises(SinkError, match=expected):
            check_output(source, output, overwrite=False)
    check_output(clip, tmp_path / "there.mp4", overwrite=True)
    check_output(clip, tmp_path / "new.mp4", overwrite=False)
    check_output(folder, tmp_path / "new", overwrite=False)
    with pytest.raises(SinkError, match="is the input"):
        check_output(clip, clip, overwrite=True)
    with pytest.raises(SourceError, match="no such file"):
        check_output(tmp_path / "missing.mp4", tmp_path / "new.mp4", overwrite=False)


def test_encodings_out_of_range() -> None:
    with pytest.raises(ConfigError, match=r"crf 52: expected 0 \(best\) to 51"):
        Encoding(crf=52)
    with pytest.raises(ConfigError, match="unknown preset 'warp'; known: auto, ultrafast"):
        Encoding(preset="warp")


def test_a_contact_sheet_has_the_same_moments_on_both_sides(write_clip: WriteClip, tmp_path: Path) -> None:
    before = write_clip("before.mp4", frames=24, size=(160, 120), paint=None)
    after = write_clip(
        "after.mp4", frames=24, paint=lambda i: np.full((120, 160, 3), 235 - 9 * i, np.uint8), size=(160, 120)
    )
    contact_sheet(before, after, tmp_path / "sheet.png", count=3)
    sheet = read_image(tmp_path / "sheet.png")
    row_height = sheet.shape[0] // 3
    assert sheet.shape[1] == pytest.approx(2 * 160, abs=20)
    for row, number in enumerate((4, 12, 20)):
        middle = (row + 1) * row_height - 60
        assert frame_number(sheet[middle : middle + 20, 40:120]) == number
        assert frame_number(255 - sheet[middle : middle + 20, 200:280]) == number
    with pytest.raises(ConfigError):
        contact_sheet(before, after, tmp_path / "sheet.png", count=0)


def test_a_contact_sheet_of_a_part_begins_where_the_part_does(write_clip: WriteClip, tmp_path: Path) -> None:
    before = write_clip("before.mp4", frames=24, size=(160, 120), paint=None)
    wide = write_clip(
        "after.mp4",
        frames=12,  # the second half, side by side
        size=(320, 120),
        paint=lambda i: np.full((120, 320, 3), 235 - 9 * (12 + i), np.uint8),
    )
    contact_sheet(before, wide, tmp_path / "sheet.png", count=2, start=Fraction(12, 25))
    sheet = read_image(tmp_path / "sheet.png")
    assert sheet.shape[1] == pytest.approx(160 + 320, abs=20), "the wide picture keeps its shape"
    for row, number in enumerate((15, 21)):
        middle = (row + 1) * sheet.shape[0] // 2 - 60
        assert frame_number(sheet[middle : middle + 20, 40:120]) == number
        assert frame_number(255 - sheet[middle : middle + 20, 240:400]) == number


def test_a_contact_sheet_of_two_pictures(tmp_path: Path) -> None:
    for name, value in (("a.png", 10), ("b.png", 200)):
        write_image(tmp_path / name, picture(value, (100, 80)))
    contact_sheet(tmp_path / "a.png", tmp_path / "b.png", tmp_path / "sheet.png")
    sheet = read_image(tmp_path / "sheet.png")
    assert sheet[60, 50].tolist() == [10] * 3 and sheet[60, 160].tolist() == [200] * 3


def test_a_real_clip_from_end_to_end(data_root: Path, write_model: WriteModel, tmp_path: Path) -> None:
    source, output = data_root / "videos" / "udacity_vd_test_video.mp4", tmp_path / "out.mp4"
    translate(source, output, write_model(), encoding=Encoding(preset="veryfast"))
    assert frame_times(output) == frame_times(source)
    assert packets(output, "audio") == packets(source, "audio")
    captures = [cv2.VideoCapture(str(path)) for path in (source, output)]
    for _ in range(10):
        (_, before), (_, after) = (capture.read() for capture in captures)
        off = after.astype(np.int16) - before
        assert np.abs(off).mean() < 2.5, "compression may cost detail"
        assert np.abs(off.mean(axis=(0, 1))).max() < 0.5, "but not light or colour"
