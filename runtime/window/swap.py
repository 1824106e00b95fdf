"""Two models, there and back, of which either can be switched to between two frames."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from unit_edge.errors import ModelError
from unit_edge.manifests.model import Manifest, size_text
from unit_edge.runtime.backends.base import Runner, is_overlapping


class SwapRunner:
    """A runner that is open, and another that is opened beside it; both stay loaded.

    Its manifest and backend are those of the one in use. It overlaps if both do.
    """

    def __init__(self, forth: Runner, back: Runner) -> None:
        """`forth` is open and stays the caller's; the two must take frames of the same size and batch.

        Raises:
            ModelError: they don't.
        """
        if forth.manifest.input.shape != back.manifest.input.shape:
            sizes = size_text(forth.manifest.input), size_text(back.manifest.input)
            raise ModelError(f"the model of the other direction takes {sizes[1]}, this one {sizes[0]}")
        self._forth, self._back = forth, back
        self._current = forth
        if is_overlapping(forth) and is_overlapping(back):
            self._starts = forth.start, back.start
            self.start = self._start
            self.in_flight = min(forth.in_flight, back.in_flight)

    @property
    def manifest(self) -> Manifest:
        return self._current.manifest

    @property
    def backend(self) -> str:
        return self._current.backend

    def __enter__(self) -> SwapRunner:
        self._back.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._back.__exit__(kind, error, trace)

    def swap(self) -> None:
        """Takes the other from the next frame on; from any thread."""
        self._current = self._back if self._current is self._forth else self._forth

    def infer(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return self._current.infer(frames)

    def _start(self, frames: NDArray[np.uint8]) -> Callable[[], NDArray[np.uint8]]:
        return self._starts[self._current is self._back](frames)
