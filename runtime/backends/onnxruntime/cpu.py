"""ONNX Runtime on the CPU."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from unit_edge.errors import BackendError
from unit_edge.manifests.model import Manifest
from unit_edge.runtime.backends.base import CheckedRunner
from unit_edge.runtime.backends.cores import physical_cores
from unit_edge.runtime.backends.onnxruntime.session import (
    CPU,
    check_tensors,
    open_session,
    session_options,
)
from unit_edge.runtime.backends.split import split_of
from unit_edge.text.printable import one_line


class OrtRunner(CheckedRunner):
    """Runs an exported model with ONNX Runtime on the CPU.

    Where its manifest tells which part is E and G, and it isn't wanted whole, only that part; see split.py.

    One session takes frames of any size: with the size written into the graph, as on GPUs, it is 1 % faster.
    """

    backend = f"onnxruntime {ort.__version__}, CPU"

    def __init__(
        self,
        model: Path,
        manifest: Manifest,
        *,
        threads: int | None = None,
        lean: bool = False,
        whole: bool = False,
    ) -> None:
        """Keeps what `with` opens.

        Args:
            model: the .onnx file.
            manifest: what it says of itself.
            threads: of a call; None for as many as there are cores.
            lean: take less memory, and more time.
            whole: run all of the graph, also where E and G alone could be.
        """
        super().__init__(model, manifest)
        self._threads, self._lean, self._whole = threads, lean, whole

    def __enter__(self) -> OrtRunner:
        cores = self._threads or physical_cores()
        self._split = split_of(self._model, self.manifest, cores, whole=self._whole)
        self._session = self._open(self._threads or 0)
        if self._split is None:
            check_tensors(self._model, self.manifest, self._session)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del self._session
        if self._split is not None:
            self._split.close()

    def _infer(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return self._run(self._session, np.ascontiguousarray(frames))

    def _open(self, threads: int) -> ort.InferenceSession:
        """A session with so many threads; 0 for as many as there are cores."""
        options = session_options()
        options.intra_op_num_threads = threads
        # the arena grows by doubling and gives nothing back
        options.enable_cpu_mem_arena = not self._lean
        # Threads that spin while they wait would take the cores from decoding and encoding: on two cores
        # a clip takes 1.4 times as long with it.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        content = None if self._split is None else self._split.content
        return open_session(self._model, [CPU], options, content)

    def _run(
        self, session: ort.InferenceSession, frames: NDArray[np.uint8], *, alone: bool = True
    ) -> NDArray[np.uint8]:
        """Translates; with `alone` there is no call beside this one."""
        if self._split is None:
            names = self.manifest.input.name, self.manifest.output.name
            return np.asarray(self._ask(session, *names, frames), dtype=np.uint8)
        names = self._split.input, self._split.output

        def network(small: NDArray[np.float32]) -> NDArray[np.float32]:
            given = np.stack([image.transpose(2, 0, 1) for image in small])
            return np.stack([cv2.merge(list(image)) for image in self._ask(session, *names, given)])

        return self._split.infer(frames, network, alone=alone)

    def _ask(
        self, session: ort.InferenceSession, takes: str, gives: str, given: NDArray[Any]
    ) -> NDArray[Any]:
        try:
            (result,) = session.run([gives], {takes: given})
        except Exception as error:  # onnxruntime's exceptions share no base but this
            raise BackendError(f"{self._model}: {self.backend} failed: {one_line(error)}") from error
        return np.asarray(result)
