"""What every source, sink and runner promises, the tests' doubles included."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import fake_gpu
import fake_onnxruntime
import numpy as np
import pytest
from doubles import SIZE, AddRunner, ListSink, ListSource, OverlappingAddRunner, files_in, picture
from probe import frame_times

from unit_edge.errors import ModelError, UnitEdgeError
from unit_edge.frames import Frame, VideoInfo
from unit_edge.runtime.backends.base import Runner
from unit_edge.runtime.backends.open import open_runner
from unit_edge.runtime.sinks.base import FrameSink
from unit_edge.runtime.sinks.images import ImageSink, write_image
from unit_edge.runtime.sinks.video.sink import VideoSink
from unit_edge.runtime.sources.base import FrameSource
from unit_edge.runtime.sources.images import ImageSource
from unit_edge.runtime.sources.video import FileSource

INFO = VideoInfo(*SIZE, fps=Fraction(25))


@pytest.fixture(params=["file", "image", "folder", "double"])
def source(request: pytest.FixtureRequest, tmp_path: Path, write_clip: Callable[..., Path]) -> FrameSource:
    if request.param == "file":
        return FileSource(write_clip(frames=6))
    if request.param == "double":
        return ListSource(6)
    (tmp_path / "images").mkdir()
    for index in range(6):
        write_image(tmp_path / "images" / f"{index}.png", picture(index))
    return ImageSource(tmp_path / "images" / ("3.png" if request.param == "image" else ""))


def test_source(source: FrameSource) -> None:
    with source as opened:
        info = opened.info
        frames = list(opened)
    assert frames and len(frames) == info.frame_count
    assert info.fps > 0 and info.time_base > 0
    for index, frame in enumerate(frames):
        assert frame.index == index
        assert frame.image.dtype == np.uint8 and frame.image.flags.c_contiguous
        assert frame.image.shape == (info.height, info.width, 3)
        assert isinstance(frame.pts, Fraction) and isinstance(frame.duration, Fraction)
    assert frames[0].pts >= 0
    assert all(a.pts < b.pts for a, b in pairwise(frames))


MakeSink = Callable[[Path], tuple[FrameSink, Callable[[], int]]]


def _video(folder: Path) -> tuple[FrameSink, Callable[[], int]]:
    path = folder / "out.mp4"
    return VideoSink(path, INFO), lambda: len(frame_times(path))


def _images(folder: Path) -> tuple[FrameSink, Callable[[], int]]:
    out = folder / "out"
    return ImageSink([out / f"{index}.png" for index in range(5)]), lambda: len(files_in(out))


def _double(_: Path) -> tuple[FrameSink, Callable[[], int]]:
    sink = ListSink()
    return sink, lambda: len(sink.frames)


@pytest.mark.parametrize("make", [_video, _images, _double])
@pytest.mark.parametrize("cut_short", [False, True])
def test_sink(tmp_path: Path, make: MakeSink, cut_short: bool) -> None:
    sink, count = make(tmp_path)
    with sink as opened:
        for index in range(5):
            opened.write(Frame(picture(index), index, Fraction(index, 25)))
        if cut_short:
            opened.cut_short()
    assert count() == 5


@pytest.mark.parametrize("make", [_video, _images, _double])
def test_sink_passes_exceptions_on(tmp_path: Path, make: MakeSink) -> None:
    sink, _ = make(tmp_path)
    with pytest.raises(ZeroDivisionError), sink as opened:
        opened.write(Frame(picture(0), 0, Fraction(0)))
        raise ZeroDivisionError
    assert not [name for name in files_in(tmp_path) if "part" in name]


RUNNERS = [
    "any size",
    "fixed size",
    "openvino",
    "on a GPU's memory",
    "tensorrt",
    "double",
    "overlapping double",
]


@pytest.fixture(params=RUNNERS)
def runner(
    request: pytest.FixtureRequest,
    write_model: Callable[..., Path],
    write_engine: Callable[[Path], Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Runner:
    """GPUs are doubles: of CUDA and TensorRT, or of a session of ONNX Runtime that is on one."""
    if request.param == "double":
        return AddRunner(SIZE)
    if request.param == "overlapping double":
        return OverlappingAddRunner(size=SIZE)
    if request.param == "tensorrt":
        fake_gpu.install(monkeypatch, fake_gpu.FakeGpu())
        return open_runner(write_engine(write_model("invert")))
    backend = "onnxruntime"
    if request.param == "openvino":
        pytest.importorskip(backend := "openvino")
    if request.param == "on a GPU's memory":
        fake_onnxruntime.install(monkeypatch, tmp_path)
        backend = "onnxruntime-cuda"
    shape = (1, SIZE[1], SIZE[0], 3) if request.param == "fixed size" else (None, None, None, 3)
    return open_runner(write_model("invert", shape), backend)


def test_runner(runner: Runner) -> None:
    image = picture(7)[np.newaxis]
    with runner as opened:
        assert opened.backend
        assert opened.manifest.target == "night"
        first = opened.infer(image)
        kept = first.copy()
        opened.infer(picture(200)[np.newaxis])
        assert first.dtype == np.uint8 and first.shape == image.shape
        assert np.array_equal(first, kept), "a result must not change when the next frame is translated"
        assert (image == 7).all(), "the input is the caller's"
        sliced = np.zeros((1, SIZE[1], SIZE[0] * 2, 3), np.uint8)[:, :, ::2]
        assert opened.infer(sliced).shape == image.shape
        wrong: list[Any] = [image.astype(np.float32), image[0]]
        for frames in wrong:
            with pytest.raises((UnitEdgeError, ValueError)):
                opened.infer(frames)


def test_a_runner_of_one_size_refuses_others(write_model: Callable[..., Path]) -> None:
    message = r"given uint8\[1,48,64,3\], expected uint8\[1,24,32,3\]"
    runner = open_runner(write_model(shape=(1, 24, 32, 3)), "onnxruntime")
    with runner as opened, pytest.raises(ModelError, match=message):
        opened.infer(np.zeros((1, 48, 64, 3), np.uint8))
