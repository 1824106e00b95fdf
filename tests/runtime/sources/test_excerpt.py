"""Parts of files: exactly the frames and the sound of that time, whatever has to be decoded for it."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from probe import frame_number, frame_times, grey, packets

from unit_edge.cli.options.outputs import seconds
from unit_edge.errors import ConfigError, SourceError, TruncatedError
from unit_edge.media.images import read_image
from unit_edge.runtime.sinks.look import Look
from unit_edge.runtime.sources.excerpt import Excerpt, ExcerptSource
from unit_edge.runtime.sources.video import FileSource
from unit_edge.runtime.translate import translate

WriteClip = Callable[..., Path]
WriteModel = Callable[..., Path]
NTSC = Fraction(30000, 1001)
LONG = {"frames": 24 * 16, "fps": 25}


def brightness(index: int) -> np.ndarray:
    """Grey that tells index // 16; stripes tell index % 16."""
    image = grey(index // 16)
    image[:16] = 16 * (index % 16)
    return image


def number(image: np.ndarray) -> int:
    return frame_number(image[24:]) * 16 + round(float(image[:12].mean()) / 16)


@pytest.mark.parametrize(
    ("name", "options"),
    [("in.mp4", {}), ("in.mkv", {}), ("in.ts", {"output_ts_offset": "5"}), ("in.mp4", {"bf": "0"})],
)
@pytest.mark.parametrize(
    ("start", "duration", "first", "count"),
    [("0", "1", 0, 25), ("0.99", "0.02", 25, 1), ("7", "2.5", 175, 63), ("13.2", None, 330, 54)],
)
def test_exactly_those_frames(
    write_clip: WriteClip,
    name: str,
    options: dict[str, str],
    start: str,
    duration: str,
    first: int,
    count: int,
) -> None:
    clip = write_clip(name, paint=brightness, options=options, **LONG)
    excerpt = Excerpt(Fraction(start), None if duration is None else Fraction(duration))
    with ExcerptSource(clip, excerpt) as source:
        assert abs((source.info.frame_count or 0) - count) <= 1
        frames = list(source)
    assert [number(frame.image) for frame in frames] == list(range(first, first + count))
    assert [frame.index for frame in frames] == list(range(count))
    expected = [float(Fraction(first + index, 25) - Fraction(start)) for index in range(count)]
    assert [float(frame.pts) for frame in frames] == pytest.approx(expected, abs=0.0006)


def test_a_damaged_rest_is_still_noticed_after_a_jump(write_clip: WriteClip) -> None:
    clip = write_clip(paint=brightness, options={"movflags": "+faststart"}, **LONG)
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size * 9 // 10])
    with pytest.raises(TruncatedError), ExcerptSource(clip, Excerpt(Fraction(5))) as source:
        for _ in source:
            pass
    with ExcerptSource(clip, Excerpt(Fraction(5), Fraction(1))) as source:
        assert len(list(source)) == 25


def test_nothing_after_the_end(write_clip: WriteClip) -> None:
    with (
        pytest.raises(SourceError, match=r"no frame at 100 s or after; it is 0\.48 s long"),
        ExcerptSource(write_clip(), Excerpt(Fraction(100))) as source,
    ):
        list(source)


@pytest.mark.parametrize("audio", ["aac", "pcm_s16le"])
def test_sound_is_cut_to_match(
    write_clip: WriteClip, write_model: WriteModel, tmp_path: Path, audio: str
) -> None:
    clip = write_clip("in.mov", frames=400, audio=audio)
    output = tmp_path / "out.mov"
    translate(clip, output, write_model(), excerpt=Excerpt(Fraction(8), Fraction(3)))
    assert frame_times(output) == [Fraction(index, 25) for index in range(75)]
    before, after = packets(clip, "audio"), packets(output, "audio")
    part = [(time, data) for time, data in before if 8 - Fraction(1024, 48_000) < time < 11]
    assert [data for _, data in after] == [data for _, data in part]
    assert [float(time) for time, _ in after] == pytest.approx(
        [float(time - 8) for time, _ in part], abs=1e-4
    )
    with av.open(str(output)) as container:
        assert container.streams.audio[0].duration * container.streams.audio[0].time_base == pytest.approx(
            3, abs=0.05
        )


def test_sound_that_is_encoded_anew_is_cut_too(
    write_clip: WriteClip, write_model: WriteModel, tmp_path: Path
) -> None:
    clip = write_clip("in.mkv", frames=400, audio="mp2")
    translate(clip, tmp_path / "out.mp4", write_model(), excerpt=Excerpt(Fraction(8), Fraction(3)))
    with av.open(str(tmp_path / "out.mp4")) as container:
        sound = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    assert len(sound) / 48_000 == pytest.approx(3.0, abs=0.06)
    assert np.abs(np.fft.rfft(sound[4800:52_800])).argmax() == 440


def test_side_by_side_and_size(write_clip: WriteClip, write_model: WriteModel, tmp_path: Path) -> None:
    clip, model = write_clip(frames=5, fps=NTSC, size=(160, 120)), write_model("invert")
    translate(clip, tmp_path / "out.mp4", model, look=Look(side_by_side=True, size=(160, 60)))
    with FileSource(tmp_path / "out.mp4") as source:
        assert (source.info.width, source.info.height) == (160, 60)
        for frame in source:
            left, right = frame.image[:, 8:72], frame.image[:, 88:152]
            assert frame_number(left) == frame_number(255 - right) == frame.index
    assert frame_times(tmp_path / "out.mp4") == frame_times(clip)


def test_pictures_side_by_side(write_model: WriteModel, tmp_path: Path) -> None:
    from unit_edge.runtime.sinks.images import write_image

    write_image(tmp_path / "in.png", np.full((40, 60, 3), 10, np.uint8))
    translate(tmp_path / "in.png", tmp_path / "out.png", write_model("invert"), look=Look(side_by_side=True))
    image = read_image(tmp_path / "out.png")
    assert image.shape == (40, 120, 3)
    assert (image[:, :60] == 10).all() and (image[:, 60:] == 245).all()


def test_a_size_of_another_shape_is_refused(
    write_clip: WriteClip, write_model: WriteModel, tmp_path: Path
) -> None:
    clip = write_clip(size=(160, 120))
    message = "size 320x180: the picture is 160x120, which is another shape; 320x240 or 240x180 would fit"
    with pytest.raises(ConfigError, match=message):
        translate(clip, tmp_path / "out.mp4", write_model(), look=Look(size=(320, 180)))
    with pytest.raises(ConfigError, match="expected even numbers"):
        Look(size=(321, 240))
    with FileSource(clip) as source:
        assert Look(size=(854, 640)).info(source.info).width == 854  # 853.3 is no even number


def test_times_as_people_type_them() -> None:
    assert [seconds(text) for text in ("12", "12.5", "1:02.5", "1:00:02", ".5", None)] == [
        Fraction(12),
        Fraction(25, 2),
        Fraction(125, 2),
        Fraction(3602),
        Fraction(1, 2),
        None,
    ]
    for text in ("", "a", "-1", "1:2:3:4", "1.2.3", "1:", "nan", ".", "1" * 5000, "." + "1" * 5000):
        with pytest.raises(ConfigError, match="expected seconds or H:M:S"):
            seconds(text)
    for text in ("99999999999999999", "999999999:59:00"):  # PyAV can't seek there
        with pytest.raises(ConfigError, match="expected at most 1000000000 s"):
            seconds(text)
    with pytest.raises(ConfigError, match="expected more than 0"):
        Excerpt(duration=Fraction(0))
