"""Codecs and file types: the file holds what was asked for, at the same times, or one line says why not."""

from __future__ import annotations

import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from doubles import files_in
from probe import frame_number, frame_times, grey, packets

from unit_edge.errors import ConfigError, SinkError
from unit_edge.frames import Frame, VideoInfo
from unit_edge.runtime.sinks.codecs import CODECS, Encoding
from unit_edge.runtime.sinks.video.sink import VideoSink
from unit_edge.runtime.sources.video import FileSource

SIZE = (64, 64)
INFO = VideoInfo(*SIZE, fps=Fraction(25), time_base=Fraction(1, 600))
VARYING = [Fraction(n, 600) for n in (0, 10, 70, 71, 400, 500, 505)]


def write(path: Path, codec: str | None, times: list[Fraction] = VARYING) -> None:
    with VideoSink(path, INFO, codec=codec, preset="superfast") as sink:
        for index, pts in enumerate(times):
            sink.write(Frame(grey(index, SIZE), index, pts))


@pytest.mark.parametrize(
    ("name", "codec", "kind", "tag"),
    [
        ("out.mp4", "hevc", "hevc", "hvc1"),
        ("out.mov", "hevc", "hevc", "hvc1"),
        ("out.mp4", "av1", "av1", "av01"),
        ("out.mp4", None, "h264", "avc1"),
    ],
)
def test_exact_times_in_every_codec(tmp_path: Path, name: str, codec: str, kind: str, tag: str) -> None:
    write(tmp_path / name, codec)
    with av.open(str(tmp_path / name)) as container:
        context = container.streams.video[0].codec_context
        assert (context.codec.canonical_name, context.codec_tag, context.pix_fmt) == (kind, tag, "yuv420p")
        images = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    assert [frame_number(image) for image in images] == list(range(len(VARYING)))
    assert frame_times(tmp_path / name) == VARYING


@pytest.mark.parametrize(
    ("name", "codec", "kind"),
    [("out.mkv", "hevc", "hevc"), ("out.mkv", "av1", "av1"), ("out.webm", None, "av1")],
)
def test_matroska_rounds_times_to_milliseconds(tmp_path: Path, name: str, codec: str, kind: str) -> None:
    write(tmp_path / name, codec)
    with av.open(str(tmp_path / name)) as container:
        assert container.streams.video[0].codec_context.codec.canonical_name == kind
    times = [float(time) for time in frame_times(tmp_path / name)]
    assert times == pytest.approx([float(time) for time in VARYING], abs=0.00051)


def test_crf_is_on_one_scale(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    for codec in ("h264", "hevc", "av1"):
        sizes = []
        for crf in (10, 40):
            path = tmp_path / f"{codec}-{crf}.mp4"
            with VideoSink(path, INFO, codec=codec, crf=crf, preset="superfast") as sink:
                for index in range(5):
                    sink.write(Frame(np.roll(noise, index, 0), index, Fraction(index, 25)))
            sizes.append(path.stat().st_size)
        assert sizes[0] > 1.5 * sizes[1], codec
    # The defaults of x264, x265 and SVT-AV1 are meant to look alike.
    assert CODECS["h264"].options(23, "fast")["crf"] == "23"
    assert CODECS["hevc"].options(23, "fast")["crf"] == "28.0"
    assert CODECS["av1"].options(23, "fast")["crf"] == "35"


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks at threads as Linux shows them")
@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
def test_an_encoder_leaves_no_real_time_threads(tmp_path: Path, codec: str) -> None:
    """Of which nothing else on the machine gets a core; SVT-AV1 makes them where it may."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except OSError:
        pytest.skip("whether an encoder makes real-time threads is seen only by who may have them")
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    with VideoSink(tmp_path / "out.mp4", INFO, codec=codec) as sink:
        for index in range(3):
            sink.write(Frame(np.zeros((*SIZE, 3), np.uint8), index, Fraction(index, 25)))
        kept = {os.sched_getscheduler(int(thread.name)) for thread in Path("/proc/self/task").iterdir()}
    assert kept == {os.SCHED_OTHER}
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


@pytest.mark.parametrize(("audio", "source", "kept"), [("libopus", "in.mkv", True), ("aac", "in.mp4", False)])
def test_webm_has_opus(
    write_clip: Callable[..., Path], tmp_path: Path, audio: str, source: str, kept: bool
) -> None:
    clip, output = write_clip(source, frames=50, audio=audio), tmp_path / "out.webm"
    with (
        FileSource(clip) as video,
        VideoSink(output, video.info, audio_from=clip, preset="superfast") as sink,
    ):
        for frame in video:
            sink.write(frame)
    with av.open(str(output)) as container:
        assert container.streams.audio[0].codec_context.codec.canonical_name == "opus"
        sound = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    assert len(sound) / 48_000 == pytest.approx(2.0, abs=0.06)
    assert np.abs(np.fft.rfft(sound[4800:52_800])).argmax() == 440  # Hz: the piece is a second long
    same = [data for _, data in packets(output, "audio")] == [data for _, data in packets(clip, "audio")]
    assert same == kept


@pytest.mark.parametrize(
    ("name", "codec", "message"),
    [
        ("out.webm", "h264", r"\.webm files don't hold h264, only av1; name the output \.mp4 or"),
        ("out.mov", "av1", r"\.mov files don't hold av1, only h264 or hevc"),
        ("out.gif", None, r"out.gif: unknown video format"),
    ],
)
def test_what_a_file_type_does_not_hold(tmp_path: Path, name: str, codec: str | None, message: str) -> None:
    with pytest.raises(SinkError, match=message):
        write(tmp_path / name, codec)
    assert files_in(tmp_path) == set()


def test_an_encoder_that_can_not_work_here_is_an_error_and_no_other_is_taken(tmp_path: Path) -> None:
    try:
        write(tmp_path / "out.mp4", "h264-nvenc")
    except SinkError as error:
        assert "h264_nvenc can't be opened here" in str(error) and "--codec h264" in str(error)
        assert "\n" not in str(error)
        assert files_in(tmp_path) == set()
    else:
        pytest.skip("there is a GPU that encodes here")


def test_unknown_codecs() -> None:
    with pytest.raises(ConfigError, match="unknown codec 'vp9'; known: h264, hevc, av1"):
        Encoding(codec="vp9")
