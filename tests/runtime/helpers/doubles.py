"""Stand-ins for a source, a runner and a sink, which pass the same contract tests as the real ones."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unit_edge.errors import BackendError, ModelError
from unit_edge.frames import Frame, VideoInfo
from unit_edge.manifests.model import Manifest, TensorSpec

SIZE = (32, 24)


def picture(index: int, size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    return np.full((size[1], size[0], 3), index, np.uint8)


def scene(width: int, height: int) -> NDArray[np.uint8]:
    """Soft colours with edges, uint8[1,H,W,3]."""
    y, x = np.mgrid[:height, :width]
    planes = [
        128 + 100 * np.sin(x / 37 + k) * np.cos(y / 23 - k) + 20 * ((x // 40 + y // 30) % 2) for k in range(3)
    ]
    return np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8)[None]


class ListSource:
    """Frames 0, 1, 2, ..., then an error if one is given."""

    live = False

    def __init__(
        self, count: int = 5, error: BaseException | None = None, size: tuple[int, int] = SIZE
    ) -> None:
        self.info = VideoInfo(*size, fps=Fraction(25), frame_count=count)
        self.read = 0
        self._count, self._error, self._size = count, error, size

    def __enter__(self) -> ListSource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def stop(self) -> None: ...

    def __iter__(self) -> Iterator[Frame]:
        for index in range(self._count):
            self.read += 1
            yield Frame(picture(index, self._size), index, Fraction(index, 25))
        if self._error is not None:
            raise self._error


class AddRunner:
    """Adds 100 to every value."""

    backend = "double"

    def __init__(
        self,
        size: tuple[int, int] | None = None,
        seconds: float = 0.0,
        error: BaseException | None = None,
        error_at: int = 0,
    ) -> None:
        width, height = size or (None, None)
        spec = TensorSpec("frame", "uint8", (None, height, width, 3))
        self.manifest = Manifest(
            "double", "day", "night", "edge", "fp32", spec, spec, 192, None, "none", sha256=""
        )
        self.shapes: list[tuple[int, ...]] = []
        self._seconds, self._error, self._error_at = seconds, error, error_at

    def __enter__(self) -> AddRunner:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def infer(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if self._error is not None and len(self.shapes) == self._error_at:
            raise self._error
        wanted = self.manifest.input.shape
        fits = frames.ndim == 4 and all(b in (None, a) for a, b in zip(frames.shape, wanted, strict=True))
        if frames.dtype != np.uint8 or not fits:
            raise ModelError(f"given {frames.dtype}{frames.shape}, expected uint8{wanted}")
        self.shapes.append(frames.shape)
        time.sleep(self._seconds)
        return frames + np.uint8(100)


class OverlappingAddRunner(AddRunner):
    """The same, which can be started ahead; its errors come out where the result is waited for."""

    in_flight = 2

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.under_way = self.most_under_way = 0

    def start(self, frames: NDArray[np.uint8]) -> Callable[[], NDArray[np.uint8]]:
        if self.under_way == self.in_flight:
            raise BackendError("too many are under way")
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        frames = frames.copy()

        def wait() -> NDArray[np.uint8]:
            self.under_way -= 1
            return self.infer(frames)

        return wait


class ListSink:
    """Keeps the frames; `state` is open, finished or discarded."""

    def __init__(self, error: BaseException | None = None, error_at: int = 0, seconds: float = 0.0) -> None:
        self.frames: list[Frame] = []
        self.state = "new"
        self.was_cut_short = False
        self.threads: set[int] = set()
        self._error, self._error_at, self._seconds = error, error_at, seconds

    def __enter__(self) -> ListSink:
        self.state = "open"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.state = "finished" if kind is None else "discarded"

    def write(self, frame: Frame) -> None:
        if self._error is not None and len(self.frames) == self._error_at:
            raise self._error
        time.sleep(self._seconds)
        self.threads.add(threading.get_ident())
        self.frames.append(frame)

    def cut_short(self) -> None:
        self.was_cut_short = True


def within(seconds: float, work: Callable[[], Any]) -> Any:
    """The result or exception of `work`, which must not take longer."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append((work(), None))
        except BaseException as error:
            outcome.append((None, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert outcome, f"still running after {seconds} s"
    result, error = outcome[0]
    if error is not None:
        raise error
    return result


def files_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}
