"""ONNX Runtime on an NVIDIA GPU, by its CUDA or its TensorRT provider."""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from unit_edge.errors import BackendError, UnitEdgeError
from unit_edge.machine.gpu import find_gpu
from unit_edge.manifests.model import Manifest
from unit_edge.runtime.backends.base import CheckedRunner
from unit_edge.runtime.backends.by_size import BySize
from unit_edge.runtime.backends.gpu_times import GpuTimes
from unit_edge.runtime.backends.onnxruntime.bound import BoundSession
from unit_edge.runtime.backends.onnxruntime.engine_cache import engine_folder
from unit_edge.runtime.backends.onnxruntime.session import (
    CPU,
    CUDA,
    FATAL_ONLY,
    TENSORRT,
    Provider,
    check_tensors,
    fix_size,
    open_session,
    require_provider,
    session_options,
)

_SIZES_KEPT = 2
_DEVICE = "cuda"
_REASON_LENGTH = 160
# Sessions that are made at the same time on one GPU crash (onnxruntime #26610), and what one thread
# allocates spoils the graph that another is capturing.
_PREPARING = threading.Lock()


class OrtGpuRunner(CheckedRunner):
    """Runs an exported model with ONNX Runtime on the first GPU.

    A session is opened for each size of frames that comes, with the size written into the graph: then no node
    that computes shapes is left for the CPU, and the rest can be one CUDA graph. Where ONNX Runtime can't
    capture it, the nodes are launched one by one, and `backend` says so.

    Its TensorRT provider builds an engine for each size, which takes a while, and keeps it for the next time.
    TF32 has no switch there but NVIDIA_TF32_OVERRIDE, which is set to 0 for this process.
    """

    def __init__(self, model: Path, manifest: Manifest, *, tensorrt: bool = False) -> None:
        super().__init__(model, manifest)
        self._tensorrt = tensorrt
        self._wanted = TENSORRT if tensorrt else CUDA
        self._how = ""
        self.last_gpu_times: GpuTimes | None = None

    @property
    def backend(self) -> str:
        """Once a frame has been translated, also whether it is a CUDA graph."""
        return f"onnxruntime {ort.__version__}, {'TensorRT' if self._tensorrt else 'CUDA'}{self._how}"

    def __enter__(self) -> OrtGpuRunner:
        if self._tensorrt:  # before its libraries are loaded
            # TF32, on by default, would lose the variances of the guided head
            os.environ["NVIDIA_TF32_OVERRIDE"] = "0"
        require_provider(self._wanted)
        gpu = find_gpu()
        if gpu is None:
            raise BackendError("no NVIDIA GPU or driver found here; use `--backend onnxruntime` for the CPU")
        self._gpu = gpu
        ort.set_default_logger_severity(FATAL_ONLY)
        options = session_options()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        as_it_is = open_session(self._model, [CPU], options)
        check_tensors(self._model, self.manifest, as_it_is)
        self._dimensions: list[str | int | None] = as_it_is.get_inputs()[0].shape
        self._sessions = BySize(self._prepare, _SIZES_KEPT)
        size = self.manifest.frame_size
        if size is not None:
            self._sessions.of((self.manifest.batch, size[1], size[0], 3))
        else:
            with _PREPARING:  # that it can't run at all is to be known before the first frame
                open_session(self._model, self._providers(None, graph=False), session_options())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sessions.clear()

    def _infer(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        session = self._sessions.of(frames.shape)
        try:
            translated = session.infer(frames)
        except BackendError as error:
            raise BackendError(f"{self._model}: {self.backend} failed: {error}") from error
        self.last_gpu_times = session.gpu_times
        return translated

    def _prepare(self, shape: tuple[int, ...]) -> BoundSession:
        with _PREPARING, self._engines(shape) as engines:
            try:
                session = self._open(shape, engines, graph=True)
                self._how = ", a CUDA graph"
            except UnitEdgeError as error:
                refused = str(error)
                session = self._open(shape, engines, graph=False)
                self._how = f", no CUDA graph ({refused.removeprefix(f'{self._model}: ')[:_REASON_LENGTH]})"
            if engines is not None and not any(engines.glob("*.engine")):
                raise BackendError(
                    f"{self._model}: TensorRT can't run any part of it; use `--backend onnxruntime-cuda`"
                )
        return session

    def _open(self, shape: tuple[int, ...], engines: Path | None, *, graph: bool) -> BoundSession:
        """A session for frames of a shape that has run once: what it can't do shows only then."""
        options = session_options()
        fix_size(options, self._dimensions, shape)
        session = open_session(self._model, self._providers(engines, graph=graph), options)
        names = self.manifest.input.name, self.manifest.output.name
        bound = BoundSession(session, shape, names, _DEVICE)
        try:
            bound.infer(np.zeros(shape, np.uint8))
        except BackendError as error:
            raise BackendError(f"{self._model}: {self.backend} failed: {error}") from error
        return bound

    def _providers(self, engines: Path | None, *, graph: bool) -> list[Provider]:
        """What a session may use; TensorRT's networks are strongly typed as long as no flag asks for fp16."""
        cuda = {"use_tf32": "0", "enable_cuda_graph": "1" if graph and not self._tensorrt else "0"}
        providers: list[Provider] = [(CUDA, cuda), CPU]
        if self._tensorrt:
            options = {"trt_cuda_graph_enable": str(graph)}
            if engines is not None:
                options |= {
                    "trt_engine_cache_enable": "True",
                    "trt_engine_cache_path": str(engines),
                    "trt_timing_cache_enable": "True",
                    "trt_timing_cache_path": str(engines),
                }
            providers.insert(0, (TENSORRT, options))
        return providers

    @contextmanager
    def _engines(self, shape: tuple[int, ...]) -> Iterator[Path | None]:
        """The folder of TensorRT's engines for a shape; None with CUDA."""
        if not self._tensorrt:
            yield None
            return
        made_for = self.manifest.sha256, shape, ort.__version__, dataclasses.astuple(self._gpu)
        with engine_folder(*made_for) as folder:
            yield folder
