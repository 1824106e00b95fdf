"""A process that measures one case, as its parent (bench/process.py) tells it to."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unit_edge.errors import BackendError
from unit_edge.frames import VideoInfo
from unit_edge.machine.child import serve
from unit_edge.machine.system import resident_bytes
from unit_edge.manifests.model import Manifest
from unit_edge.runtime.backends.base import Runner, is_overlapping
from unit_edge.runtime.backends.gpu_times import GpuTimes, last_gpu_times
from unit_edge.runtime.backends.open import open_runner
from unit_edge.runtime.batch import stacked
from unit_edge.runtime.bench.worker.bandwidth import memory_bandwidth
from unit_edge.runtime.bench.worker.model import time_calls
from unit_edge.runtime.bench.worker.stages import (
    Alone,
    decode_alone,
    encode_alone,
    held_frames,
    run_whole,
)
from unit_edge.runtime.bench.worker.warmup import warm_up
from unit_edge.runtime.resize import Fit
from unit_edge.runtime.sensors.system import available_bytes
from unit_edge.runtime.sources.open import SourceOptions
from unit_edge.runtime.sources.video import FileSource
from unit_edge.text.address import parse_address

_NOISE_FRAMES = 4
_MEMORY_SHARE = 0.9


class Session:
    """The open runners of a case, and what is done with them; every method is one of the orders."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self._stack, self._folder = stack, folder
        self._runners: list[Runner] = []
        self._info: VideoInfo | None = None
        self._images: list[NDArray[np.uint8]] = []
        self._translated: list[NDArray[np.uint8]] = []

    def open(
        self,
        model: str,
        backend: str,
        batch: int,
        size: list[int],
        streams: int,
        threads: int | None,
        clip: str | None,
    ) -> dict[str, Any]:
        """Opens the runners and has each translate once.

        Args:
            model: the file.
            backend: "auto" or one of `BACKENDS`.
            batch: frames in a call.
            size: width and height of the frames, if there is no clip.
            streams: how many runners there are side by side.
            threads: of each on a CPU.
            clip: the video that frames are taken from; None for noise.
        """
        if clip is not None:
            self._images = held_frames(Path(clip))
            with FileSource(Path(clip)) as source:
                self._info = source.info
        else:
            random = np.random.default_rng(0)
            shape = _NOISE_FRAMES, size[1], size[0], 3
            self._images = list(random.integers(0, 256, shape, dtype=np.uint8))
        begin = time.perf_counter()
        self._runners.append(self._opened(model, backend, threads, batch))
        opened_s = time.perf_counter() - begin
        fit = Fit(self._runners[0])
        fitting = [fit.to_model(image) for image in self._images]
        self._batches = [
            stacked([fitting[(first + k) % len(fitting)] for k in range(batch)], batch)
            for first in range(len(fitting) if batch == 1 else 2)
        ]
        self._runners[0].infer(self._batches[0])
        first_s = time.perf_counter() - begin
        while len(self._runners) < streams:
            before = _resident()
            self._runners.append(self._opened(model, backend, threads, batch))
            self._runners[-1].infer(self._batches[0])
            after, free = _resident(), available_bytes()
            if before is not None and after is not None and free is not None:
                check_memory(streams, len(self._runners), after - before, free)
        height, width = self._images[0].shape[:2]
        return {
            "backend": self._runners[0].backend,
            "opened_s": opened_s,
            "first_s": first_s,
            "frame_size": [width, height],
        }

    def _opened(self, model: str, backend: str, threads: int | None, batch: int) -> Runner:
        runner = self._stack.enter_context(open_runner(model, backend, threads=threads))
        return runner if runner.manifest.batch == batch else Batched(runner, batch)

    def warm_up(self, seconds: float) -> dict[str, Any]:
        """Until it is stable; all streams together, if there are several."""

        def call() -> None:
            if len(self._runners) == 1:
                self._runners[0].infer(self._batches[0])
            else:
                time_calls(self._runners, self._batches, seconds=0, calls=1)

        return dataclasses.asdict(warm_up(call, limit_s=seconds))

    def calls(self, seconds: float, calls: int | None) -> dict[str, Any]:
        """Measures calls of the model alone."""
        return dataclasses.asdict(time_calls(self._runners, self._batches, seconds=seconds, calls=calls))

    def alone(self, stage: str, address: str, frames: int | None, seconds: float) -> dict[str, Any]:
        """The stage "decode", "model" or "encode" with nothing beside it."""
        if stage == "decode":
            done = decode_alone(parse_address(address).path, frames=frames, seconds=seconds)
        elif stage == "encode":
            assert self._info is not None, "a clip was given"
            path = self._folder / "alone.mp4"
            images = self._translated or self._translate()
            done = encode_alone(images, self._info, path, frames=frames, seconds=seconds)
        else:
            batch = len(self._batches[0])
            calls = None if frames is None else -(-frames // batch)
            timed = time_calls(self._runners[:1], self._batches, seconds=seconds, calls=calls)
            done = Alone(batch * len(timed.latencies_s), timed.wall_s, timed.cpu_s)
        return dataclasses.asdict(done)

    def _translate(self) -> list[NDArray[np.uint8]]:
        """The clip's frames as they will be encoded."""
        width, height = self._images[0].shape[1::-1]
        fit, batches = Fit(self._runners[0]), self._batches
        translated = [image for batch in batches for image in self._runners[0].infer(batch)]
        self._translated = [fit.back(image, width, height) for image in translated]
        return self._translated

    def whole(self, address: str, frames: int | None, seconds: float) -> dict[str, Any]:
        """Measures all stages at once."""
        source = parse_address(address)
        options = SourceOptions(reconnect_for=0, duration=seconds) if source.live else None
        done = run_whole(self._runners, source, self._folder, frames=frames, seconds=seconds, options=options)
        return dataclasses.asdict(done)

    def bandwidth(self, backend: str, seconds: float) -> dict[str, Any]:
        """Measures the bandwidth of the memory that the backend computes in."""
        return {"bytes_per_s": memory_bandwidth(backend, seconds)}


class Batched:
    """A runner of a model that takes any number of frames, as one that takes a fixed number."""

    def __init__(self, runner: Runner, batch: int) -> None:
        self._runner = runner
        shapes = [(batch, *spec.shape[1:]) for spec in (runner.manifest.input, runner.manifest.output)]
        self.manifest: Manifest = dataclasses.replace(
            runner.manifest,
            input=dataclasses.replace(runner.manifest.input, shape=shapes[0]),
            output=dataclasses.replace(runner.manifest.output, shape=shapes[1]),
        )
        self.backend = runner.backend
        if is_overlapping(runner):
            self.start, self.in_flight = runner.start, runner.in_flight

    @property
    def last_gpu_times(self) -> GpuTimes | None:
        return last_gpu_times(self._runner)

    def __enter__(self) -> Batched:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def infer(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return self._runner.infer(frames)


def _resident() -> int | None:
    held = resident_bytes(os.getpid())
    return None if held is None else held[0]


def check_memory(streams: int, opened: int, each: int, free: int) -> None:
    """Raises BackendError if streams of `each` bytes, some of which are open, don't fit into `free` bytes."""
    fitting = opened + int(_MEMORY_SHARE * free / max(each, 1))
    if streams > fitting:
        raise BackendError(
            f"{streams} streams need {(streams - opened) * each / 2**30:.1f} GiB more memory than the first "
            f"{opened}, and {free / 2**30:.1f} GiB are free; at most {fitting} fit: --streams {fitting}"
        )


def main() -> None:
    """The process: carries out orders until its parent closes the pipe, or is gone."""
    with contextlib.suppress(OSError):  # if memory runs out, this process goes and not another
        Path("/proc/self/oom_score_adj").write_text("1000")
    with tempfile.TemporaryDirectory(prefix="unit-edge-bench-") as folder, ExitStack() as stack:
        session = Session(stack, Path(folder))
        serve(
            lambda order, **values: getattr(session, order)(**values),
            give_up=lambda: shutil.rmtree(folder, ignore_errors=True),
        )


if __name__ == "__main__":
    main()
