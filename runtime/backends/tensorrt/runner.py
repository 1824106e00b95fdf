"""TensorRT and TensorRT-RTX engines, on an NVIDIA GPU."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unit_edge.errors import BackendError, ModelError
from unit_edge.machine.gpu import find_gpu
from unit_edge.manifests.engine import EngineManifest, check_engine, check_machine
from unit_edge.manifests.model import Manifest
from unit_edge.runtime.backends.base import CheckedOverlappingRunner
from unit_edge.runtime.backends.gpu_times import GpuTimes
from unit_edge.runtime.backends.tensorrt.module import load_tensorrt, make_logger

if TYPE_CHECKING:
    from unit_edge.runtime.backends.tensorrt.slot import Slot


class TensorRtRunner(CheckedOverlappingRunner):
    """Runs an engine that was built for this GPU and this TensorRT.

    It holds memory for one frame on the GPU, and for a second one from the first `start` on that comes while
    another is under way.
    """

    in_flight = 2

    def __init__(self, path: Path, about: EngineManifest | None = None) -> None:
        """Stores the engine, whose manifest is read if `about` isn't what `check_engine` gave of it.

        Raises:
            ModelError: the engine or its manifest is missing or damaged.
        """
        self._about = about or check_engine(path)
        super().__init__(path, Manifest.from_dict(self._about.model, path.with_suffix(".json")))

    @property
    def backend(self) -> str:
        name = {"tensorrt": "tensorrt", "rtx": "tensorrt-rtx"}[self._about.backend]
        return f"{name} {self._version}, {self._gpu}"

    def __enter__(self) -> TensorRtRunner:
        gpu = find_gpu()
        if gpu is None:
            raise BackendError(
                f"{self._model}: no NVIDIA GPU or driver found here, which engines need; "
                "translate with the .onnx file instead"
            )
        _, trt = load_tensorrt(self._about.backend)
        check_machine(self._model, self._about, tensorrt=str(trt.__version__), gpu=gpu)
        self._version, self._gpu = trt.__version__, gpu.name
        _check_cuda()
        with ExitStack() as stack:
            self._load(trt, stack)
            self._slots: list[Slot] = []
            self._done: Slot | None = None
            stack.callback(self._slots.clear)
            slot = self._new_slot(stack)
            size = self.manifest.frame_size
            if size is not None:
                slot.fit((self.manifest.batch, size[1], size[0], 3))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _infer(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return self.start(frames)()

    def _under_way(self) -> int:
        return sum(slot.busy for slot in self._slots)

    def _start(self, frames: NDArray[np.uint8]) -> Callable[[], NDArray[np.uint8]]:
        self._check_profile(frames.shape[2], frames.shape[1])
        slot = next((slot for slot in self._slots if not slot.busy), None) or self._new_slot(self._stack)
        slot.fit(frames.shape)
        slot.start(frames)

        def finish() -> NDArray[np.uint8]:
            self._done = slot
            return slot.finish()

        return finish

    @property
    def last_gpu_times(self) -> GpuTimes | None:
        """The times of the call that came back last, by the GPU's own clock; None before the first."""
        return None if self._done is None else self._done.gpu_times

    def _load(self, trt: Any, stack: ExitStack) -> None:
        content = self._model.read_bytes()
        # an engine is code: what runs is what was checked, even if the file changed meanwhile
        if hashlib.sha256(content).hexdigest() != self._about.sha256:
            raise ModelError(f"{self._model}: changed while it was read; try again")
        self._logger = make_logger(trt)
        runtime = trt.Runtime(self._logger)
        if "version-compatible" in self._about.flags:
            runtime.engine_host_code_allowed = True
        if "dla" in self._about.flags:
            runtime.DLA_core = 0
        engine = runtime.deserialize_cuda_engine(content)
        if engine is None:
            raise self._unloadable()
        # TensorRT wants them gone in this order, after the contexts
        self._engine, self._runtime = engine, runtime
        stack.callback(self._forget)
        self._check_tensors(trt, engine)

    def _forget(self) -> None:
        del self._engine
        del self._runtime

    def _new_slot(self, stack: ExitStack) -> Slot:
        from unit_edge.runtime.backends.tensorrt.slot import Slot

        context = self._engine.create_execution_context()
        if context is None:
            raise self._unloadable()
        names = self.manifest.input.name, self.manifest.output.name
        slot = stack.enter_context(Slot(context, names, self._failed))
        self._slots.append(slot)
        return slot

    def _failed(self, what: str) -> BackendError:
        return BackendError(f"{self._model}: {self.backend} {what}: {self._logger.said}")

    def _unloadable(self) -> BackendError:
        return BackendError(
            f"{self._model}: TensorRT {self._version} can't load it: {self._logger.said}; "
            f"build it again here with `{self._about.command}`"
        )

    def _check_tensors(self, trt: Any, engine: Any) -> None:
        specs = self.manifest.input, self.manifest.output
        found = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        known = sorted(found) == sorted(spec.name for spec in specs)
        if not known or any(engine.get_tensor_dtype(name) != trt.DataType.UINT8 for name in found):
            raise ModelError(
                f"{self._model}: made for other tensors: {', '.join(found)}; expected uint8 frames; "
                f"build it again with `{self._about.command}`"
            )

    def _check_profile(self, width: int, height: int) -> None:
        least, _, largest = self._about.profile
        if not (least[0] <= width <= largest[0] and least[1] <= height <= largest[1]):
            raise ModelError(
                f"{self._model}: given frames of {width}x{height}, built for {least[0]}x{least[1]} to "
                f"{largest[0]}x{largest[1]}; build it again with --min-size or --max-size"
            )


def _check_cuda() -> None:
    try:
        import unit_edge.runtime.backends.cuda  # noqa: F401
    except RuntimeError as error:  # what cuda.bindings 12 says without a driver
        raise BackendError(f"CUDA can't be used here: {error}") from None
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "cuda":
            raise
        raise BackendError(
            'cuda.bindings is not installed, which engines need: `pip install "cuda-bindings==12.*"` for '
            "CUDA 12, `cuda-bindings==13.*` for CUDA 13 (nvidia-smi says which)"
        ) from None
