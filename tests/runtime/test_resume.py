"""A video whose making was interrupted, however that came: nothing that was done is done again, or lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from crashes import FPS, FRAMES, Crash, crash_at, numbers
from doubles import files_in
from probe import frame_times, packets

from unit_edge.errors import ConfigError, SinkError
from unit_edge.frames import VideoInfo
from unit_edge.runtime.sinks.codecs import Encoding
from unit_edge.runtime.sinks.look import Look
from unit_edge.runtime.sinks.video.parts import find_kept
from unit_edge.runtime.sinks.video.sink import VideoSink
from unit_edge.runtime.sources.excerpt import Excerpt
from unit_edge.runtime.translate import translate

WriteClip = Callable[..., Path]
WriteModel = Callable[..., Path]
MAIN = [sys.executable, "-m", "unit_edge.cli"]


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("out.mp4", Encoding()),
        ("out.mov", Encoding()),
        ("out.mkv", Encoding()),
        ("out.mp4", Encoding(codec="hevc")),
        ("out.webm", Encoding()),
    ],
)
def test_a_resumed_video_has_each_frame_once_and_its_sound(
    write_clip: WriteClip, write_model: WriteModel, tmp_path: Path, name: str, encoding: Encoding
) -> None:
    clip, model = write_clip(frames=FRAMES, fps=FPS, audio="aac"), write_model()
    translate(clip, tmp_path / f"whole-{name}", model, encoding=encoding)
    said: list[str] = []
    for frame in (45, 10):  # 30 at least are kept of the first, none need be of the second
        with pytest.raises(Crash):
            translate(
                clip,
                tmp_path / name,
                model,
                encoding=encoding,
                resume=True,
                progress=crash_at(frame),
                notice=said.append,
            )
        assert not (tmp_path / name).exists()
    stats = translate(clip, tmp_path / name, model, encoding=encoding, resume=True)
    assert stats.frames <= 30
    assert "kept; --resume" in said[0]
    assert numbers(tmp_path / name) == [index % 24 for index in range(FRAMES)]
    assert frame_times(tmp_path / name) == frame_times(tmp_path / f"whole-{name}")
    sound = [[data for _, data in packets(tmp_path / f"{way}{name}", "audio")] for way in ("", "whole-")]
    assert sound[0] == sound[1]
    assert {file for file in files_in(tmp_path) if file.startswith(".")} == set()


def test_a_varying_frame_rate_is_kept(write_clip: WriteClip, write_model: WriteModel, tmp_path: Path) -> None:
    steps = np.random.default_rng(0).integers(40, 400, FRAMES)
    times = [Fraction(int(step), 600) for step in np.cumsum(steps)]
    clip, model = write_clip(times=times, fps=FPS, time_base=Fraction(1, 600)), write_model()
    with pytest.raises(Crash):
        translate(clip, tmp_path / "out.mp4", model, progress=crash_at(50))
    translate(clip, tmp_path / "out.mp4", model, resume=True)
    assert frame_times(tmp_path / "out.mp4") == [moment - times[0] for moment in times]


def test_a_resumed_excerpt_ends_where_it_should(
    write_clip: WriteClip, write_model: WriteModel, tmp_path: Path
) -> None:
    clip, model, part = write_clip(frames=80, fps=FPS), write_model(), Excerpt(Fraction(2), Fraction(10))
    with pytest.raises(Crash):
        translate(clip, tmp_path / "out.mp4", model, excerpt=part, progress=crash_at(40))
    translate(clip, tmp_path / "out.mp4", model, excerpt=part, resume=True)
    assert numbers(tmp_path / "out.mp4") == [index % 24 for index in range(10, 60)]
    assert frame_times(tmp_path / "out.mp4") == [Fraction(index, FPS) for index in range(50)]


def test_steadying_goes_on_as_if_nothing_had_been(
    write_clip: WriteClip, write_model: WriteModel, tmp_path: Path
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    scene = np.kron(noise, np.ones((8, 8, 1), np.uint8))
    flicker = np.random.default_rng(1).integers(0, 8, FRAMES)
    clip = write_clip(
        frames=FRAMES, fps=FPS, size=(128, 96), paint=lambda i: scene // 2 + np.uint8(flicker[i])
    )
    model, look = write_model(), Encoding(crf=1)
    translate(clip, tmp_path / "whole.mp4", model, encoding=look, steady=True)
    with pytest.raises(Crash):
        translate(clip, tmp_path / "out.mp4", model, encoding=look, steady=True, progress=crash_at(45))
    translate(clip, tmp_path / "out.mp4", model, encoding=look, steady=True, resume=True)
    with av.open(str(tmp_path / "whole.mp4")) as one, av.open(str(tmp_path / "out.mp4")) as other:
        pairs = zip(one.decode(video=0), other.decode(video=0), strict=True)
        apart = [np.abs(a.to_ndarray().astype(int) - b.to_ndarray()).mean() for a, b in pairs]
    assert len(apart) == FRAMES and max(apart) < 0.6, "without the frames before, 1.4"


def test_killed_then_resumed(write_clip: WriteClip, write_model: WriteModel, tmp_path: Path) -> None:
    clip = write_clip(frames=FRAMES, fps=FPS, size=(320, 240), audio="aac")
    output = tmp_path / "out.mp4"
    command = [*MAIN, "translate", str(clip), "--model", str(write_model("slow")), "-o", str(output)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    part, deadline = tmp_path / ".out.mp4.parts" / "1.mp4", time.monotonic() + 60
    while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 1
    assert "add --resume to go on from there, or --overwrite" in again.stderr
    done = subprocess.run([*command, "--resume"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert frame_times(output) == [Fraction(index, FPS) for index in range(FRAMES)]
    assert not part.parent.exists()
    made = output.read_bytes()
    once_more = subprocess.run([*command, "--resume"], capture_output=True, text=True)
    assert (once_more.returncode, once_more.stderr) == (0, f"{output}: is complete already\n")
    assert output.read_bytes() == made


@pytest.mark.parametrize("name", ["out.mp4", "out.mkv"])
def test_ctrl_c_then_resumed(
    write_clip: WriteClip, write_model: WriteModel, tmp_path: Path, name: str
) -> None:
    clip, output = write_clip(frames=FRAMES, fps=FPS, size=(320, 240), audio="aac"), tmp_path / name
    command = [*MAIN, "translate", str(clip), "--model", str(write_model("slow")), "-o", str(output)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    part, deadline = tmp_path / f".{name}.parts" / "1.mp4", time.monotonic() + 60
    while not part.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 128 + signal.SIGTERM
    shorter = frame_times(output)
    assert 0 < len(shorter) < FRAMES and not part.exists()
    subprocess.run([*command, "--resume"], check=True, capture_output=True)
    whole = tmp_path / f"whole-{name}"
    translate(clip, whole, write_model("identity"))
    assert frame_times(output) == frame_times(whole)
    assert numbers(output) == [index % 24 for index in range(FRAMES)]
    assert [data for _, data in packets(output, "audio")] == [data for _, data in packets(clip, "audio")]
    with av.open(str(output)) as container:
        assert "comment" not in {name.lower() for name in container.metadata}


def test_only_the_same_work_is_gone_on_with(
    write_clip: WriteClip, write_model: WriteModel, tmp_path: Path
) -> None:
    clip, model, output = write_clip(frames=FRAMES, fps=FPS), write_model(), tmp_path / "out.mp4"
    with pytest.raises(Crash):
        translate(clip, output, model, progress=crash_at(45))
    before = files_in(tmp_path / ".out.mp4.parts")
    with pytest.raises(SinkError, match=r"another --crf, --size; repeat"):
        translate(clip, output, model, encoding=Encoding(crf=20), look=Look(size=(128, 96)), resume=True)
    with pytest.raises(SinkError, match="another model"):
        translate(clip, output, write_model("invert"), resume=True)
    with pytest.raises(SinkError, match="another input"):
        translate(write_clip("b.mp4", frames=40, fps=FPS), output, model, resume=True)
    with pytest.raises(SinkError, match="--resume to go on from there, or --overwrite"):
        translate(clip, output, model)
    assert files_in(tmp_path / ".out.mp4.parts") == before
    clip = clip.rename(tmp_path / "moved.mp4")
    assert translate(clip, output, model, resume=True).frames < FRAMES


def test_overwriting_starts_over(write_clip: WriteClip, write_model: WriteModel, tmp_path: Path) -> None:
    clip, model, output = write_clip(frames=FRAMES, fps=FPS), write_model(), tmp_path / "out.mp4"
    with pytest.raises(Crash):
        translate(clip, output, model, progress=crash_at(45))
    (tmp_path / ".out.mp4.parts" / "about.json").write_text("no json")
    with pytest.raises(SinkError, match=r"about\.json doesn't say what it was made from; add --overwrite"):
        translate(clip, output, model, resume=True)
    assert translate(clip, output, model, overwrite=True).frames == FRAMES
    assert not (tmp_path / ".out.mp4.parts").exists()


def test_what_can_not_be_gone_on_with(write_clip: WriteClip, write_model: WriteModel, tmp_path: Path) -> None:
    clip, model = write_clip(), write_model()
    with pytest.raises(ConfigError, match="one video file"):
        translate(clip, [tmp_path / "a.mp4", tmp_path / "b.mp4"], model, resume=True)
    with pytest.raises(ConfigError, match="none that can be read again"):
        translate(tmp_path, tmp_path / "out", model, resume=True)


@pytest.mark.parametrize("name", ["out.mp4", "out.mov", "out.mkv", "out.webm"])
@pytest.mark.parametrize(("frames", "fps"), [(60, 25), (16, Fraction(1, 4))])
def test_a_finished_video_is_left_alone_unless_it_is_damaged(
    write_clip: WriteClip, write_model: WriteModel, tmp_path: Path, name: str, frames: int, fps: Fraction
) -> None:
    clip, model, output = write_clip(frames=frames, fps=fps, audio="aac"), write_model(), tmp_path / name
    translate(clip, output, model)
    whole = output.read_bytes()
    said: list[str] = []
    translate(clip, output, model, resume=True, notice=said.append)
    assert said == [f"{output}: is complete already"] and output.read_bytes() == whole
    for size in (0, 200, len(whole) // 4):
        output.write_bytes(whole[:size])
        with pytest.raises(SinkError, match=r"is there, but isn't whole .*--overwrite instead of --resume"):
            translate(clip, output, model, resume=True)
        assert output.stat().st_size == size


@pytest.mark.parametrize("settings", [{"resume": True}, {"overwrite": True}])
def test_an_output_that_is_a_pipe_is_not_waited_for(
    write_clip: WriteClip, write_model: WriteModel, tmp_path: Path, settings: dict[str, bool]
) -> None:
    os.mkfifo(tmp_path / "out.mkv")
    with pytest.raises(SinkError, match="is a pipe; give the name of a file"):
        translate(write_clip(frames=2), tmp_path / "out.mkv", write_model(), **settings)
    assert (tmp_path / "out.mkv").is_fifo()


def test_two_runs_can_not_write_one_file(tmp_path: Path) -> None:
    info = VideoInfo(64, 48, Fraction(25))
    with VideoSink(tmp_path / "out.mp4", info):
        with pytest.raises(SinkError, match="being written by another run"):
            VideoSink(tmp_path / "out.mp4", info).__enter__()
        assert files_in(tmp_path / ".out.mp4.parts") >= {"1.mp4"}
    assert files_in(tmp_path) == set()


def test_a_folder_that_is_a_link_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "1.mp4").write_text("mine")
    (tmp_path / ".out.mp4.parts").symlink_to(tmp_path / "precious")
    with pytest.raises(SinkError, match="is a link"):
        VideoSink(tmp_path / "out.mp4", VideoInfo(64, 48, Fraction(25))).__enter__()
    assert (tmp_path / "precious" / "1.mp4").read_text() == "mine"


def test_a_recording_goes_on_behind_what_was_recorded(tmp_path: Path) -> None:
    from probe import grey

    from unit_edge.frames import Frame

    info, making, output = VideoInfo(64, 48, Fraction(FPS)), {"input": "camera 0"}, tmp_path / "out.mp4"
    with pytest.raises(Crash), VideoSink(output, info, making=making) as sink:
        for index in range(50):
            sink.write(Frame(grey(index), index, Fraction(index, FPS)))
        raise Crash
    kept = find_kept(output, making)
    assert kept is not None and 20 <= kept.frames <= 50
    with VideoSink(output, info, making=making, kept=kept, after_kept=True) as sink:
        for index in range(10):
            sink.write(Frame(grey(index), index, Fraction(index, FPS)))
    assert numbers(output) == [index % 24 for index in (*range(kept.frames), *range(10))]
    assert frame_times(output) == [Fraction(index, FPS) for index in range(kept.frames + 10)]
