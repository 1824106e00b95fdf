"""A model in two halves: E and G run by a backend, what is around them by OpenCV.

OpenCV takes a third of the time that the backends take there, and E and G can be in another precision than
the head. The whole graph stays the fallback: manifests without `cut` have no halves.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unit_edge.errors import BackendError, ModelError
from unit_edge.manifests.model import Manifest
from unit_edge.runtime.backends.guided import GuidedFrames, Rows
from unit_edge.runtime.backends.memory import keep_freed_memory
from unit_edge.runtime.backends.onnx_cut import cut_out

Network = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""E and G: float[N,h,w,3] in [-1, 1] to the same."""


class SplitModel:
    """Translates frames with a network that is given.

    Attributes:
        content: of the ONNX file of E and G alone, float[N,3,h,w] to the same.
        input: name of what that takes.
        output: name of what it gives.
    """

    def __init__(self, model: Path, manifest: Manifest, threads: int) -> None:
        self._model = model
        self.input, self.output = manifest.cut["small"], manifest.cut["translated"]
        shape = (manifest.batch, 3, "h", "w")
        try:
            self.content = cut_out(model.read_bytes(), (self.input, shape), (self.output, shape))
        except ModelError as error:
            raise ModelError(f"{model}: {error}") from None
        except OSError as error:
            raise ModelError(f"{model}: can't be read ({error.strerror or error})") from None
        self._guided = GuidedFrames(manifest, threads)
        keep_freed_memory()

    def close(self) -> None:
        """Ends the threads."""
        self._guided.close()

    def size_of(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of what the network gets for frames of a size."""
        return self._guided.size_of(height, width)

    def infer(
        self, frames: NDArray[np.uint8], network: Network, *, alone: bool = True, rows: Rows | None = None
    ) -> NDArray[np.uint8]:
        """Translates uint8[N,H,W,3].

        Several threads may call it, with `rows` of their own.

        Args:
            frames: contiguous.
            network: runs E and G.
            alone: all threads work on it.
            rows: see `GuidedFrames.apply`.
        """
        given = np.stack([self._guided.shrink(frame, alone=alone, rows=rows) for frame in frames])
        translated = network(given)
        if translated.shape != given.shape:
            raise BackendError(
                f"{self._model}: E and G gave {translated.shape} for {given.shape}; export the model again"
            )
        out = np.empty_like(frames, order="C")
        for each in zip(frames, given, translated, out, strict=True):
            self._guided.apply(*each, alone=alone, rows=rows)
        return out


def split_of(model: Path, manifest: Manifest, threads: int, *, whole: bool) -> SplitModel | None:
    """The halves of a model; None if it has none, or is to be run whole.

    Raises:
        ModelError: it hasn't got the tensors that the manifest names.
    """
    return None if whole or not manifest.cut else SplitModel(model, manifest, threads)
