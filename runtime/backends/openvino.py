"""OpenVINO, on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unit_edge.errors import EngineError, ModelError
from unit_edge.manifests.model import Manifest, TensorSpec, tensor_text
from unit_edge.runtime.backends.base import CheckedOverlappingRunner
from unit_edge.runtime.backends.by_size import BySize
from unit_edge.runtime.backends.openvino_module import load_openvino
from unit_edge.text.printable import one_line

ov = load_openvino()
_SIZES_KEPT = 4
_AT_ONCE = 2


class OpenVinoRunner(CheckedOverlappingRunner):
    """Runs an exported model with OpenVINO.

    It is compiled for each size of frames that comes, since graphs of any size take 1.2 to 1.3 times as
    long; the last few are kept. `infer` has all threads work on a frame; `start` has half of them work on
    each of two, which takes a tenth (fp32) or more (int8) less of their time, and twice the memory.
    """

    in_flight = _AT_ONCE + 1  # one waits, so that whichever is done first has work again
    engine = f"openvino {ov.__version__.partition('-')[0]}, CPU"

    def __init__(self, model: Path, manifest: Manifest, *, threads: int | None = None) -> None:
        super().__init__(model, manifest)
        self._threads = threads

    def __enter__(self) -> OpenVinoRunner:
        # OpenVINO's own choice on CPUs with bf16 is that, which spoils the head (229 levels), and whose
        # compiler hangs on filters 15 and more wide
        self._settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        if self._threads is not None:
            self._settings["INFERENCE_NUM_THREADS"] = self._threads
        self._core = ov.Core()
        self._requests = BySize(lambda shape: self._compile(shape, 1, 1), _SIZES_KEPT)
        self._pairs = BySize(lambda shape: self._compile(shape, _AT_ONCE, self.in_flight), _SIZES_KEPT)
        self._busy: list[Any] = []
        try:
            model = self._core.read_model(self._model)
        except Exception as error:  # openvino's exceptions share no base but this
            raise ModelError(f"{self._model}: OpenVINO can't load it: {one_line(error)}") from error
        for kind, spec, ports in (
            ("input", self.manifest.input, model.inputs),
            ("output", self.manifest.output, model.outputs),
        ):
            found = [_spec_of(port) for port in ports]
            if [(s.name, s.dtype) for s in found] != [(spec.name, spec.dtype)] or not _fits(found[0], spec):
                described = ", ".join(f"{s.name} {tensor_text(s.dtype, s.shape)}" for s in found)
                raise ModelError(
                    f"{self._model}: made for other tensors: its {kind} is {described}, its manifest says "
                    f"{spec.name} {tensor_text(spec.dtype, spec.shape)}; export the model again"
                )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for request in self._busy:
            with suppress(Exception):  # nobody waits for its result any more
                request.wait()
        self._busy.clear()
        self._requests.clear()
        self._pairs.clear()
        del self._core

    def _infer(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        try:
            (request,) = self._requests.of(frames.shape)
            request.infer({0: np.ascontiguousarray(frames)}, share_inputs=True)
            return _result(request)
        except Exception as error:
            raise self._failed(error) from error

    def _under_way(self) -> int:
        return len(self._busy)

    def _start(self, frames: NDArray[np.uint8]) -> Callable[[], NDArray[np.uint8]]:
        try:
            request = next(one for one in self._pairs.of(frames.shape) if one not in self._busy)
            request.get_input_tensor(0).data[...] = frames
            request.start_async()
        except Exception as error:
            raise self._failed(error) from error
        self._busy.append(request)

        def finish() -> NDArray[np.uint8]:
            self._busy.remove(request)
            try:
                request.wait()
                return _result(request)
            except Exception as error:
                raise self._failed(error) from error

        return finish

    def _compile(self, shape: tuple[int, ...], at_once: int, count: int) -> list[Any]:
        """`count` requests for frames of a shape, of which so many run at the same time."""
        model = self._core.read_model(self._model)
        model.reshape(list(shape))
        settings = self._settings if at_once == 1 else {**self._settings, "NUM_STREAMS": at_once}
        compiled = self._core.compile_model(model, "CPU", settings)
        return [compiled.create_infer_request() for _ in range(count)]

    def _failed(self, error: Exception) -> EngineError:
        return EngineError(f"{self._model}: {self.engine} failed: {one_line(error)}")


def _result(request: Any) -> NDArray[np.uint8]:
    return np.array(request.get_output_tensor(0).data)


def _fits(found: TensorSpec, spec: TensorSpec) -> bool:
    """Whether two shapes agree where both are known; OpenVINO can't always tell that of an output."""
    return len(found.shape) == len(spec.shape) and all(
        None in pair or pair[0] == pair[1] for pair in zip(found.shape, spec.shape, strict=True)
    )


def _spec_of(port: Any) -> TensorSpec:
    shape = port.get_partial_shape()
    sizes = () if shape.rank.is_dynamic else tuple(d.get_length() if d.is_static else None for d in shape)
    dtype = np.dtype(port.get_element_type().to_dtype()).name
    return TensorSpec(port.get_any_name(), dtype, sizes)
