"""The protocol of all back ends, and what they share. Imports no back end.

What opens one is open.py.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn, Protocol, TypeGuard

import numpy as np
from numpy.typing import NDArray

from unit_edge.errors import BackendError, ModelError
from unit_edge.files.onnx_limits import check_limits
from unit_edge.frames import ELONGATED, elongated, shrunk_size
from unit_edge.manifests.model import Manifest, tensor_text


class Runner(Protocol):
    """Translates frames; a context manager: the constructor stores, `with` acquires."""

    @property
    def manifest(self) -> Manifest:
        """The manifest of the model that it runs."""

    @property
    def backend(self) -> str:
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
            BackendError: it fails, or `in_flight` are under way already.
        """


def is_overlapping(runner: Runner) -> TypeGuard[OverlappingRunner]:
    """Whether a runner has `start`."""
    return hasattr(runner, "start")


class Opened:
    """A runner that is open already and stays so: entering and leaving this does nothing."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self.manifest, self.backend, self.infer = runner.manifest, runner.backend, runner.infer

    def __enter__(self) -> Runner:
        return self._runner

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class CheckedRunner(ABC):
    """What all back ends share: a model, its manifest, and frames that are checked before they are used."""

    def __init__(self, model: Path, manifest: Manifest) -> None:
        self._model, self.manifest = model, manifest
        self._within_limits = set[tuple[int, ...]]()

    def infer(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Translates frames as `Runner.infer` says.

        Raises:
            ModelError: the model does not take frames of that type and shape, or gives others than it got.
        """
        self._check(frames)
        return self._alike(self._infer(frames), frames.shape)

    @abstractmethod
    def _infer(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """`infer` of frames that fit."""

    if not TYPE_CHECKING:  # or every attribute would be known to type checkers

        def __getattr__(self, name: str) -> NoReturn:
            if name.startswith("__") or not name.startswith("_") or name == "_model":
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            raise BackendError(f"{self._model}: isn't open; use it inside `with open_runner(...) as runner:`")

    def _check(self, frames: NDArray[np.uint8]) -> None:
        wanted = self.manifest.input.shape
        if not isinstance(frames, np.ndarray):
            raise ModelError(
                f"{self._model}: given {type(frames).__name__}, expected an array "
                f"{tensor_text('uint8', wanted)}; numpy.stack makes one of a list of frames"
            )
        fits = frames.ndim == len(wanted) and all(
            b in (None, a) for a, b in zip(frames.shape, wanted, strict=True)
        )
        if frames.dtype != np.uint8 or not fits:
            batch = "; frame[None] makes a batch of one frame" if frames.ndim == 3 else ""
            raise ModelError(
                f"{self._model}: given {tensor_text(str(frames.dtype), frames.shape)}, "
                f"expected {tensor_text('uint8', wanted)}{batch}"
            )
        height, width = frames.shape[1:3]
        if self.manifest.frame_size is None and elongated(width, height):
            raise ModelError(f"{self._model}: given frames of {width}x{height}: {ELONGATED}")
        if frames.shape not in self._within_limits and self._model.suffix.lower() == ".onnx":
            check_limits(self._model, frames.shape, inner=self._inner(*frames.shape[:3]))
            self._within_limits.add(frames.shape)

    def _alike(self, translated: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """What a model gave for frames of a shape, if it is of that shape, as no manifest can promise."""
        if translated.shape != shape:
            given, expected = (tensor_text("uint8", one) for one in (translated.shape, shape))
            raise ModelError(f"{self._model}: gives {given} for {expected}, expected as many and as large")
        return translated

    def _inner(self, count: int, height: int, width: int) -> dict[str, tuple[int, ...]]:
        """What the manifest says of the tensors around E and G, which are made room for outside the graph."""
        small = shrunk_size(height, width, min(height, width), self.manifest.network_short_side)
        return dict.fromkeys(self.manifest.cut.values(), (count, 3, *small))


class CheckedOverlappingRunner(CheckedRunner):
    """The same for back ends that overlap frames."""

    in_flight: int

    def start(self, frames: NDArray[np.uint8]) -> Callable[[], NDArray[np.uint8]]:
        """Begins with frames as `OverlappingRunner.start` says.

        Raises:
            ModelError: as of `infer`; what it gives is looked at when it is waited for.
            BackendError: it fails, or `in_flight` are under way already.
        """
        self._check(frames)
        if self._under_way() == self.in_flight:
            raise BackendError(f"{self._model}: {self.in_flight} are under way already; wait for one first")
        finish, shape = self._start(frames), frames.shape
        return lambda: self._alike(finish(), shape)

    @abstractmethod
    def _start(self, frames: NDArray[np.uint8]) -> Callable[[], NDArray[np.uint8]]:
        """`start` of frames that fit, while fewer than `in_flight` are under way."""

    @abstractmethod
    def _under_way(self) -> int:
        """How many calls have been started and not waited for."""
