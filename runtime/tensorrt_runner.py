"""TensorRT and TensorRT-RTX engines, on an NVIDIA GPU."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unit_edge.engines import check_engine
from unit_edge.errors import EngineError, ModelError
from unit_edge.gpu import find_gpu
from unit_edge.manifest import Manifest
from unit_edge.runtime.runner import check_input
from unit_edge.runtime.split import Split
from unit_edge.runtime.tensorrt_backend import load_tensorrt, make_logger

if TYPE_CHECKING:
    from unit_edge.runtime.cuda import Stream


class TensorRtRunner:
    """Runs an engine that was built for this GPU and this TensorRT.

    Memory is acquired for a size of frames and kept until another size comes; upload, inference and download
    of a size are one CUDA graph where the engine can be recorded.
    """

    def __init__(self, path: Path) -> None:
        """Reads the manifest.

        Raises:
            ModelError: the engine or its manifest is missing or damaged.
        """
        self._path = path
        self._about = check_engine(path)
        self.manifest = Manifest.from_dict(self._about.model, path.with_suffix(".json"))

    @property
    def engine(self) -> str:
        backend = {"tensorrt": "tensorrt", "rtx": "tensorrt-rtx"}[self._about.backend]
        return f"{backend} {self._version}, {self._gpu}"

    def __enter__(self) -> TensorRtRunner:
        gpu = find_gpu()
        if gpu is None:
            raise EngineError(
                f"{self._path}: no NVIDIA GPU or driver found here, which engines need; "
                "translate with the .onnx file instead"
            )
        _, trt = load_tensorrt(self._about.backend)
        check_engine(self._path, tensorrt=str(trt.__version__), gpu=gpu)
        self._version, self._gpu = trt.__version__, gpu.name
        with ExitStack() as stack:
            self._stream = stack.enter_context(_open_stream())
            self._load(trt, stack)
            self._shape: tuple[int, ...] = ()
            size = self.manifest.frame_size
            if size is not None:
                self._prepare((self.manifest.batch, size[1], size[0], 3))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def infer(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        check_input(self._path, self.manifest, frames)
        if frames.shape != self._shape:
            self._check_profile(frames.shape[2], frames.shape[1])
            self._prepare(frames.shape)
        self._input[...] = frames
        self._start()
        self._stream.wait()
        return np.array(self._output)

    @property
    def last_split(self) -> Split | None:
        """Of the last call, by the GPU's own clock; None before the first."""
        if not self._shape:
            return None
        return Split(*(self._stream.seconds_between(*pair) for pair in pairwise(self._marks)))

    def _load(self, trt: Any, stack: ExitStack) -> None:
        content = self._path.read_bytes()
        # an engine is code: what runs is what was checked, even if the file changed meanwhile
        if hashlib.sha256(content).hexdigest() != self._about.sha256:
            raise ModelError(f"{self._path}: changed while it was read; try again")
        self._logger = make_logger(trt)
        runtime = trt.Runtime(self._logger)
        if "version-compatible" in self._about.flags:
            runtime.engine_host_code_allowed = True
        if "dla" in self._about.flags:
            runtime.DLA_core = 0
        engine = runtime.deserialize_cuda_engine(content)
        context = None if engine is None else engine.create_execution_context()
        if engine is None or context is None:
            raise EngineError(
                f"{self._path}: TensorRT {trt.__version__} can't load it: {self._logger.said}; "
                f"build it again here with `{self._about.command}`"
            )
        # TensorRT wants them gone in this order
        self._context, self._engine, self._runtime = context, engine, runtime
        stack.callback(self._forget)
        self._check_tensors(trt, engine)

    def _forget(self) -> None:
        self._stream.release()
        del self._context
        del self._engine
        del self._runtime

    def _check_tensors(self, trt: Any, engine: Any) -> None:
        specs = self.manifest.input, self.manifest.output
        found = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        known = sorted(found) == sorted(spec.name for spec in specs)
        if not known or any(engine.get_tensor_dtype(name) != trt.DataType.UINT8 for name in found):
            raise ModelError(
                f"{self._path}: made for other tensors: {', '.join(found)}; expected uint8 frames; "
                f"build it again with `{self._about.command}`"
            )

    def _check_profile(self, width: int, height: int) -> None:
        least, _, largest = self._about.profile
        if not (least[0] <= width <= largest[0] and least[1] <= height <= largest[1]):
            raise ModelError(
                f"{self._path}: given frames of {width}x{height}, built for {least[0]}x{least[1]} to "
                f"{largest[0]}x{largest[1]}; build it again with --min-size or --max-size"
            )

    def _prepare(self, shape: tuple[int, ...]) -> None:
        stream, spec_in, spec_out = self._stream, self.manifest.input, self.manifest.output
        self._shape = ()
        stream.release()
        self._input, self._output = stream.pinned(shape), stream.pinned(shape)
        source, target = stream.device(self._input.nbytes), stream.device(self._output.nbytes)
        if not self._context.set_input_shape(spec_in.name, shape):
            raise EngineError(f"{self._path}: refuses frames of {shape}: {self._logger.said}")
        self._context.set_tensor_address(spec_in.name, source)
        self._context.set_tensor_address(spec_out.name, target)

        before, uploaded, computed, downloaded = marks = [stream.event() for _ in range(4)]

        def start() -> None:
            stream.mark(before)
            stream.upload(source, self._input)
            stream.mark(uploaded)
            if not self._context.execute_async_v3(stream.handle):
                raise EngineError(f"{self._path}: {self.engine} failed: {self._logger.said}")
            stream.mark(computed)
            stream.download(self._output, source=target)
            stream.mark(downloaded)

        self._input[...] = 0
        start()  # the first run of a shape prepares what can't be recorded
        stream.wait()
        self._start = _recorded(stream, start)
        self._marks, self._shape = marks, shape


def _recorded(stream: Stream, start: Callable[[], None]) -> Callable[[], None]:
    """As a CUDA graph, or as it is where the engine can't be recorded: with a DLA, for one."""
    try:
        return stream.recorded(start)
    except EngineError:
        return start


def _open_stream() -> Stream:
    try:
        from unit_edge.runtime.cuda import Stream
    except RuntimeError as error:  # what cuda.bindings 12 says without a driver
        raise EngineError(f"CUDA can't be used here: {error}") from None
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "cuda":
            raise
        raise EngineError(
            'cuda.bindings is not installed, which engines need: `pip install "cuda-bindings==12.*"` for '
            "CUDA 12, `cuda-bindings==13.*` for CUDA 13 (nvidia-smi says which)"
        ) from None
    return Stream()
