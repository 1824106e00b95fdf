"""The protocol of all back ends, and the check of what they are given. Imports no back end.

What opens one is open.py.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Protocol, TypeGuard

import numpy as np
from numpy.typing import NDArray

from unit_edge.errors import ModelError
from unit_edge.frames import ELONGATED, elongated
from unit_edge.manifest import Manifest, tensor_text


class Runner(Protocol):
    """Translates frames; a context manager: the constructor stores, `with` acquires."""

    @property
    def manifest(self) -> Manifest:
        """Of the model that it runs."""

    @property
    def engine(self) -> str:
        """What runs it, for people: "onnxruntime 1.22.0, CPU"; only inside `with`."""

    def __enter__(self) -> Runner: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def infer(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """uint8[N,H,W,3] BGR to the same; returns when done, in an array that is the caller's."""


class OverlappingRunner(Runner, Protocol):
    """A runner that takes frames while it still works on those before.

    Upload, inference and download of neighbours then overlap: that is more frames a second, each of
    which is back later. So it is for files, not for live sources.
    """

    @property
    def in_flight(self) -> int:
        """How many calls may be started and not waited for."""

    def start(self, frames: NDArray[np.uint8]) -> Callable[[], NDArray[np.uint8]]:
        """Starts on uint8[N,H,W,3]; the function that it returns waits for the result.

        It is to be called once, in the order of the starts. `frames` is the caller's again at once.

        Raises:
            EngineError: it fails, or `in_flight` are under way already.
        """


def is_overlapping(runner: Runner) -> TypeGuard[OverlappingRunner]:
    """Whether a runner has `start`."""
    return hasattr(runner, "start")


class Opened:
    """A runner that is open already and stays so: entering and leaving this does nothing."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self.manifest, self.engine, self.infer = runner.manifest, runner.engine, runner.infer

    def __enter__(self) -> Runner:
        return self._runner

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def check_input(model: Path, manifest: Manifest, frames: NDArray[np.uint8]) -> None:
    """Raises ModelError if a model does not take frames of that type and shape."""
    wanted = manifest.input.shape
    fits = frames.ndim == len(wanted) and all(
        b in (None, a) for a, b in zip(frames.shape, wanted, strict=True)
    )
    if frames.dtype != np.uint8 or not fits:
        raise ModelError(
            f"{model}: given {tensor_text(str(frames.dtype), frames.shape)}, "
            f"expected {tensor_text('uint8', wanted)}"
        )
    height, width = frames.shape[1:3]
    if manifest.frame_size is None and elongated(width, height):
        raise ModelError(f"{model}: given frames of {width}x{height}: {ELONGATED}")
