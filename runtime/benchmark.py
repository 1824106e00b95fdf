"""How fast a model runs here: the runner alone frame by frame, and each stage on a clip."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unit_edge.errors import ConfigError
from unit_edge.frames import Frame, VideoInfo
from unit_edge.runtime.batch import stacked
from unit_edge.runtime.pipeline import Fit, run
from unit_edge.runtime.runner import Runner
from unit_edge.runtime.sink import VideoSink
from unit_edge.runtime.source import FileSource

_WARM_UP = 3
_HELD_FRAMES = 16
_PERCENTILES = (50, 90, 99)
_DEFAULT_SIZE = (640, 480)


def benchmark(
    runner: Runner, *, frames: int = 50, size: tuple[int, int] | None = None, video: Path | None = None
) -> dict[str, Any]:
    """Measures an open runner, on noise of a size or on a clip's frames; times in ms.

    With a clip, also what the three stages cost and how many frames a second they make together.
    """
    if frames < 1:
        raise ConfigError(f"{frames} frames to measure; expected 1 or more")
    if video is None:
        _, height, width, _ = runner.manifest.input.shape
        size = size or (width or _DEFAULT_SIZE[0], height or _DEFAULT_SIZE[1])
        noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        images = [noise]
    else:
        with FileSource(video) as source:
            images = [frame.image for frame in islice(source, min(frames, _HELD_FRAMES))]
    height, width = images[0].shape[:2]
    timings = _runner_ms(runner, images, frames)
    result: dict[str, Any] = {
        "model": runner.manifest.name,
        "engine": runner.engine,
        "precision": runner.manifest.precision,
        "frame_size": [width, height],
        "batch": runner.manifest.batch,
        "frames": frames,
        **timings,
    }
    if video is not None:
        result |= _stages_ms(runner, video, frames)
    return result


def _runner_ms(runner: Runner, images: list[NDArray[np.uint8]], count: int) -> dict[str, float]:
    fit = Fit(runner)
    fitting = [stacked([fit.to_model(image)], runner.manifest.batch) for image in images]
    spent = []
    for image in islice(cycle(fitting), _WARM_UP + count):
        mark = time.perf_counter()
        runner.infer(image)
        spent.append(1e3 * (time.perf_counter() - mark))
    values = np.percentile(spent[_WARM_UP:], _PERCENTILES)
    return {f"infer_p{p}_ms": round(float(v), 2) for p, v in zip(_PERCENTILES, values, strict=True)}


def _stages_ms(runner: Runner, video: Path, frames: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="unit-edge-") as folder, FileSource(video) as source:
        stats = run(_Head(source, frames), runner, VideoSink(Path(folder) / "out.mp4", source.info))
    return {
        "decode_mean_ms": round(1e3 * stats.decode_s / stats.frames, 2),
        "infer_mean_ms": round(1e3 * stats.infer_s / stats.frames, 2),
        "encode_mean_ms": round(1e3 * stats.encode_s / stats.frames, 2),
        "pipeline_fps": round(stats.fps, 2),
    }


class _Head:
    """The first frames of an open source."""

    live = False

    def __init__(self, source: FileSource, count: int) -> None:
        self._source, self._count = source, count

    @property
    def info(self) -> VideoInfo:
        return self._source.info

    def __enter__(self) -> _Head:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def stop(self) -> None: ...

    def __iter__(self) -> Iterator[Frame]:
        return islice(self._source, self._count)
