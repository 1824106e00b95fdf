"""OpenVINO, on the CPU."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, TimeoutError
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unit_edge.errors import BackendError, ModelError
from unit_edge.files.onnx_file import loaded_by
from unit_edge.manifests.model import Manifest, TensorSpec, tensor_text
from unit_edge.runtime.backends.base import CheckedOverlappingRunner
from unit_edge.runtime.backends.by_size import BySize
from unit_edge.runtime.backends.cores import physical_cores
from unit_edge.runtime.backends.openvino.module import load_openvino
from unit_edge.runtime.backends.openvino.network import weave_last, with_pixels_last
from unit_edge.runtime.backends.openvino.rows import FrameRows, RowPasses
from unit_edge.runtime.backends.split import split_of
from unit_edge.text.printable import one_line

ov = load_openvino()
_log = logging.getLogger(__name__)
_SIZES_KEPT = 4
_AT_ONCE = 2
COMPILE_LIMIT_S = 90.0
"""E and G in bf16 compile within seconds; a compiler that hangs has hung for minutes."""


class OpenVinoRunner(CheckedOverlappingRunner):
    """Runs an exported model with OpenVINO.

    Where its manifest tells which part is E and G, and it isn't wanted whole, only that part; see split.py.

    It is compiled for each size of frames that comes, since graphs of any size take 1.2 to 1.3 times as
    long; the last few are kept. `infer` has all threads work on a frame; `start` has half of them work on
    each of two, which takes a tenth (fp32) or more (int8) less of their time, and twice the memory.
    """

    in_flight = _AT_ONCE + 1  # one waits, so that whichever is done first has work again
    backend = f"openvino {ov.__version__.partition('-')[0]}, CPU"

    def __init__(
        self,
        model: Path,
        manifest: Manifest,
        *,
        threads: int | None = None,
        whole: bool = False,
        bf16: bool = False,
    ) -> None:
        """Keeps what `with` opens.

        Args:
            model: the .onnx file.
            manifest: what it says of itself.
            threads: of a call; None for as many as there are cores.
            whole: run all of the graph, also where E and G alone could be.
            bf16: compute in bf16, unless that can't be compiled in `COMPILE_LIMIT_S`: then in fp32, which
                `backend` and the log say.
        """
        super().__init__(model, manifest)
        self._threads, self._whole, self._bf16 = threads, whole, bf16
        if bf16:
            self.backend = f"{self.backend}, bf16"

    def __enter__(self) -> OpenVinoRunner:
        # OpenVINO's own choice on CPUs with bf16 is that, which spoils the head (229 levels), and whose
        # compiler hangs on filters 15 and more wide; E and G alone have neither
        precision = "bf16" if self._bf16 else "f32"
        self._settings: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": precision,
        }
        if self._threads is not None:
            self._settings["INFERENCE_NUM_THREADS"] = self._threads
        self._core = ov.Core()
        if self._bf16 and "BF16" not in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise BackendError("this CPU doesn't compute in bf16; `--backend openvino` computes in fp32")
        if self._bf16 and (self._whole or not self.manifest.cut):
            raise BackendError(
                f"{self._model}: bf16 is for E and G alone, and its manifest doesn't tell where they are; "
                "export the model again, or use `--backend openvino`"
            )
        self._requests = BySize(lambda shape: self._compile(shape, 1, 1), _SIZES_KEPT)
        self._pairs = BySize(lambda shape: self._compile(shape, _AT_ONCE, self.in_flight), _SIZES_KEPT)
        self._busy: list[_Place] = []
        self._callers: ThreadPoolExecutor | None = None
        cores = self._threads or physical_cores()
        self._split = split_of(self._model, self.manifest, cores, whole=self._whole)
        if self._split is None:
            self._check_tensors()
        return self

    def _check_tensors(self) -> None:
        with loaded_by("OpenVINO", self._model):
            model = self._core.read_model(self._model)
            inputs, outputs = ([_spec_of(port) for port in ports] for ports in (model.inputs, model.outputs))
        for kind, spec, found in (
            ("input", self.manifest.input, inputs),
            ("output", self.manifest.output, outputs),
        ):
            if [(s.name, s.dtype) for s in found] != [(spec.name, spec.dtype)] or not _fits(found[0], spec):
                described = ", ".join(f"{s.name} {tensor_text(s.dtype, s.shape)}" for s in found)
                raise ModelError(
                    f"{self._model}: made for other tensors: its {kind} is {described}, its manifest says "
                    f"{spec.name} {tensor_text(spec.dtype, spec.shape)}; export the model again"
                )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._callers is not None:
            self._callers.shutdown()
        self._busy.clear()
        self._requests.clear()
        self._pairs.clear()
        if self._split is not None:
            self._split.close()
        del self._core

    def _infer(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        (place,) = self._requests.of(frames.shape)
        return self._run(place, np.ascontiguousarray(frames))

    def _under_way(self) -> int:
        return len(self._busy)

    def _start(self, frames: NDArray[np.uint8]) -> Callable[[], NDArray[np.uint8]]:
        if self._callers is None:
            self._callers = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="openvino")
        place = next(one for one in self._pairs.of(frames.shape) if one not in self._busy)
        future = self._callers.submit(self._run, place, frames.copy(), alone=False)
        self._busy.append(place)

        def finish() -> NDArray[np.uint8]:
            self._busy.remove(place)
            return future.result()

        return finish

    def _run(self, place: _Place, frames: NDArray[np.uint8], *, alone: bool = True) -> NDArray[np.uint8]:
        """Translates; with `alone` there is no call beside this one."""
        if self._split is None:
            return self._ask(place.request, frames)
        try:
            return self._split.infer(
                frames, lambda small: self._ask(place.request, small), alone=alone, rows=place.rows
            )
        except RuntimeError as error:  # of the rows
            raise self._failed(error) from error

    def _ask(self, request: Any, given: NDArray[Any]) -> NDArray[Any]:
        try:
            request.infer({0: given}, share_inputs=True)
            return np.array(request.get_output_tensor(0).data)
        except Exception as error:  # openvino's exceptions share no base but this
            raise self._failed(error) from error

    def _compile(self, shape: tuple[int, ...], at_once: int, count: int) -> list[_Place]:
        """`count` places for frames of a shape, of which so many are worked on at the same time."""
        settings: dict[str, Any] = {}
        if at_once > 1:
            # pinned threads of two frames, in different models, may share one core and leave the other idle
            settings = {"NUM_STREAMS": at_once, "ENABLE_CPU_PINNING": False}
        try:
            if self._split is None:
                model = self._core.read_model(self._model)
                model.reshape(list(shape))
                compiled = self._compiled(model, settings)
                return [_Place(compiled.create_infer_request()) for _ in range(count)]
            batch, height, width, channels = shape
            h, w = self._split.size_of(height, width)
            model = self._core.read_model(self._split.content)
            model.reshape([batch, channels, h, w])
            if self._bf16:
                weave_last(model)
            compiled = self._compiled(with_pixels_last(model), settings)
            passes = RowPasses(self._core, (height, width), (h, w), {**self._settings, **settings})
            return [_Place(compiled.create_infer_request(), passes.frame_rows()) for _ in range(count)]
        except Exception as error:
            raise self._failed(error) from error

    def _compiled(self, model: Any, settings: dict[str, Any]) -> Any:
        if not self._bf16:
            return self._core.compile_model(model, "CPU", {**self._settings, **settings})
        waiting: Future[Any] = Future()
        # not a pool's thread: nothing can end it, and the process would wait for it at its end
        arguments = waiting, self._core, model.clone(), {**self._settings, **settings}
        Thread(target=_compile_into, args=arguments, name="openvino-compile", daemon=True).start()
        try:
            return waiting.result(COMPILE_LIMIT_S)
        except TimeoutError:
            self._bf16 = False
            self.backend = self.backend.replace(", bf16", ", fp32")
            _log.warning("note: OpenVINO compiled no bf16 in %g s; computing in fp32", COMPILE_LIMIT_S)
            self._settings["INFERENCE_PRECISION_HINT"] = "f32"
            self._core = ov.Core()  # the other one is busy
            return self._compiled(model, settings)

    def _failed(self, error: Exception) -> BackendError:
        return BackendError(f"{self._model}: {self.backend} failed: {one_line(error)}")


@dataclass(frozen=True, eq=False)
class _Place:
    """What one frame at a time, or one batch, is translated with."""

    request: Any
    rows: FrameRows | None = None


def _compile_into(result: Future[Any], core: Any, model: Any, settings: dict[str, Any]) -> None:
    try:
        result.set_result(core.compile_model(model, "CPU", settings))
    except BaseException as error:  # the waiting thread's
        result.set_exception(error)


def _fits(found: TensorSpec, spec: TensorSpec) -> bool:
    """Whether two shapes agree where both are known; OpenVINO can't always tell that of an output."""
    return len(found.shape) == len(spec.shape) and all(
        None in pair or pair[0] == pair[1] for pair in zip(found.shape, spec.shape, strict=True)
    )


def _spec_of(port: Any) -> TensorSpec:
    shape = port.get_partial_shape()
    sizes = () if shape.rank.is_dynamic else tuple(d.get_length() if d.is_static else None for d in shape)
    kind = port.get_element_type()
    try:
        dtype = np.dtype(kind.to_dtype()).name
    except (IndexError, RuntimeError):  # a type that numpy lacks
        dtype = kind.get_type_name()
    return TensorSpec(port.get_any_name(), dtype, sizes)
