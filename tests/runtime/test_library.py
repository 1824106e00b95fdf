"""Translating from a program: the README's lines, threads, and types."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from probe import frame_times

from unit_edge.errors import BackendError, ConfigError, ModelError, SinkError, SourceError
from unit_edge.frames import Frame
from unit_edge.media.images import read_image
from unit_edge.runtime import Stats, open_runner, translate_video
from unit_edge.runtime.sinks.images import write_image
from unit_edge.runtime.sources.video import FileSource

ROOT = Path(__file__).resolve().parents[2]
WriteClip = Callable[..., Path]
WriteModel = Callable[..., Path]


def frames_of(path: Path) -> list[Frame]:
    with FileSource(path) as source:
        return list(source)


def test_the_lines_of_the_readme_work(write_clip: WriteClip, tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    write_clip("drive.mp4", frames=6, size=(96, 64))
    write_image(tmp_path / "photo.jpg", np.full((48, 64, 3), 200, np.uint8))
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"6 frames, \d+\.\d FPS\n", done.stdout)
    assert frame_times(tmp_path / "night.mp4") == frame_times(tmp_path / "drive.mp4")
    night = read_image(tmp_path / "photo-night.jpg")
    assert night.shape == (48, 64, 3) and night.mean() < 190


def test_importing_it_loads_nothing() -> None:
    code = (
        "import sys, unit_edge.runtime as runtime\n"
        "print([name for name in ('numpy', 'cv2', 'av', 'onnxruntime', 'torch') if name in sys.modules])\n"
        "print([name for name in runtime.__all__ if not hasattr(runtime, name)], hasattr(runtime, 'other'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n[] False\n"


def test_two_threads_translate_at_once(
    write_clip: WriteClip, write_model: WriteModel, tmp_path: Path
) -> None:
    clip, model = write_clip(frames=20, audio="aac"), write_model("invert")
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    both_run = threading.Barrier(2, timeout=60)

    def work(output: Path) -> int:
        def progress(stats: Stats) -> None:
            if stats.frames == 5:
                both_run.wait()  # until the other one is at its fifth frame

        return translate_video(str(clip), output, str(model), progress=progress).frames

    outputs = [tmp_path / "a.mp4", tmp_path / "b.mp4"]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(work, outputs)) == [20, 20]
    for output in outputs:
        for old, new in zip(frames_of(clip), frames_of(output), strict=True):
            assert old.pts == new.pts
            assert abs(float(new.image.mean()) - (255 - float(old.image.mean()))) < 4
    assert {number: signal.getsignal(number) for number in before} == before
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("unit-edge")] == []


def test_one_runner_is_used_from_another_thread(write_model: WriteModel) -> None:
    frame = np.arange(64 * 48 * 3, dtype=np.uint8).reshape(1, 48, 64, 3)
    with open_runner(str(write_model("invert"))) as runner, ThreadPoolExecutor(1) as pool:
        assert (pool.submit(runner.infer, frame).result() == 255 - frame).all()


def test_an_error_in_progress_stops_it(
    write_clip: WriteClip, write_model: WriteModel, tmp_path: Path
) -> None:
    class Enough(Exception):
        pass

    def progress(stats: Stats) -> None:
        raise Enough

    clip, model = write_clip(frames=20), write_model()
    files = set(tmp_path.iterdir())
    with ThreadPoolExecutor(1) as pool, pytest.raises(Enough):
        pool.submit(translate_video, clip, tmp_path / "out.mp4", model, progress=progress).result()
    assert set(tmp_path.iterdir()) == files


def test_errors_say_what_is_wrong(write_clip: WriteClip, write_model: WriteModel, tmp_path: Path) -> None:
    clip, model, output = write_clip(), write_model(), tmp_path / "out.mp4"
    with pytest.raises(SourceError, match="no such file"):
        translate_video(tmp_path / "missing.mp4", output, model)
    with pytest.raises(ConfigError, match=r"unknown domain 'nigth'; known: "):
        translate_video(clip, output, "nigth")
    with pytest.raises(
        ConfigError, match=r"several models translate to clear; name one: rain2clear-edge-s, snow2"
    ):
        translate_video(clip, output, "clear")
    for missing in ("missing.onnx", Path("missing"), "models/missing"):
        with pytest.raises(ModelError, match="no such model file"):
            translate_video(clip, output, missing)
    with pytest.raises(SinkError, match="is the input"):
        translate_video(clip, clip, model)
    with pytest.raises((ConfigError, BackendError)):
        translate_video(clip, output, model, backend="tensorrt")
    assert not output.exists()


def test_a_notebook_is_told_what_to_pass(
    write_clip: WriteClip, write_model: WriteModel, tmp_path: Path
) -> None:
    frame = np.zeros((48, 64, 3), np.uint8)
    with open_runner("Night", "onnxruntime") as runner:
        assert runner.manifest.target == "night"
        with pytest.raises(ModelError, match=r"frame\[None\] makes a batch"):
            runner.infer(frame)
        assert runner.infer(frame[None]).shape == (1, 48, 64, 3)
    (tmp_path / "out.mp4").touch()
    with pytest.raises(SinkError, match="overwrite=True"):
        translate_video(write_clip(), tmp_path / "out.mp4", write_model())


def test_a_bundled_model_goes_by_name(write_clip: WriteClip, tmp_path: Path) -> None:
    assert translate_video(write_clip(frames=2), tmp_path / "out.mp4", "snow2clear-edge-s").frames == 2
    with open_runner("night2day-edge-s") as runner:
        assert (runner.manifest.source, runner.manifest.target) == ("night", "day")
