"""ONNX Runtime, on the CPU or on an NVIDIA GPU."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path
from types import TracebackType

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from unit_edge.errors import EngineError, ModelError
from unit_edge.manifest import Manifest, TensorSpec
from unit_edge.runtime.runner import check_input, tensor_text
from unit_edge.runtime.split import Split

_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
# TF32, on by default, would lose the variances of the guided head
_PROVIDERS = {"cpu": [_CPU], "cuda": [(_CUDA, {"use_tf32": "0"}), _CPU]}
_FATAL_ONLY = 4  # what goes wrong comes as an exception too


class OrtRunner:
    """Runs an exported model with ONNX Runtime.

    `device` is "cpu" or "cuda". With `split`, frames go to a GPU and back apart from the inference, and
    `last_split` has the times of the last call.
    """

    def __init__(
        self,
        model: Path,
        manifest: Manifest,
        *,
        device: str = "cpu",
        threads: int | None = None,
        lean: bool = False,
        split: bool = False,
    ) -> None:
        self._model, self._device, self._threads, self._lean = model, device, threads, lean
        self._split = split and device != "cpu"
        self.last_split: Split | None = None
        self.manifest = manifest

    @property
    def engine(self) -> str:
        return f"onnxruntime {ort.__version__}, {'GPU' if self._device == 'cuda' else 'CPU'}"

    def __enter__(self) -> OrtRunner:
        options = ort.SessionOptions()
        options.log_severity_level = _FATAL_ONLY
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.intra_op_num_threads = self._threads or 0
        # the arena grows by doubling and gives nothing back
        options.enable_cpu_mem_arena = not self._lean
        # Threads that spin while they wait would take the cores from decoding and encoding: on two cores
        # a clip takes 1.4 times as long with it.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        wanted = _CUDA if self._device == "cuda" else _CPU
        if wanted not in ort.get_available_providers():
            raise EngineError(
                'this onnxruntime has no CUDA; uninstall it and `pip install "unit-edge[gpu]"`, '
                "or use `--engine onnxruntime` for the CPU"
            )
        try:
            self._session = ort.InferenceSession(
                self._model, sess_options=options, providers=_PROVIDERS[self._device]
            )
        except Exception as error:  # onnxruntime's exceptions share no base but this
            raise ModelError(f"{self._model}: ONNX Runtime can't load it: {_one_line(error)}") from error
        providers = self._session.get_providers()
        if wanted not in providers:  # ONNX Runtime falls back with no more than a warning
            raise EngineError(
                f"asked for {wanted}, but onnxruntime fell back to {', '.join(providers)}: CUDA or cuDNN "
                "is missing or of another version; use `--engine onnxruntime` for the CPU"
            )
        self._check_tensors(self._session)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del self._session

    def _check_tensors(self, session: ort.InferenceSession) -> None:
        for kind, spec, nodes in (
            ("input", self.manifest.input, session.get_inputs()),
            ("output", self.manifest.output, session.get_outputs()),
        ):
            found = [_spec_of(node) for node in nodes]
            if found != [spec]:
                raise ModelError(
                    f"{self._model}: made for other tensors: its {kind} is {', '.join(map(_text, found))}, "
                    f"its manifest says {_text(spec)}; export the model again"
                )

    def infer(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        check_input(self._model, self.manifest, frames)
        frames = np.ascontiguousarray(frames)
        try:
            if self._split:
                translated = self._infer_apart(frames)
            else:
                feed = {self.manifest.input.name: frames}
                (translated,) = self._session.run([self.manifest.output.name], feed)
        except Exception as error:  # as above
            raise EngineError(f"{self._model}: {self.engine} failed: {_one_line(error)}") from error
        return np.asarray(translated, dtype=np.uint8)

    def _infer_apart(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        binding = self._session.io_binding()
        times = [time.perf_counter()]
        uploaded = ort.OrtValue.ortvalue_from_numpy(frames, self._device, 0)
        times.append(time.perf_counter())
        binding.bind_ortvalue_input(self.manifest.input.name, uploaded)
        binding.bind_output(self.manifest.output.name, self._device)
        self._session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        times.append(time.perf_counter())
        (translated,) = binding.copy_outputs_to_cpu()
        times.append(time.perf_counter())
        self.last_split = Split(*(end - begin for begin, end in pairwise(times)))
        return np.asarray(translated, dtype=np.uint8)


def _text(spec: TensorSpec) -> str:
    return f"{spec.name} {tensor_text(spec.dtype, spec.shape)}"


def _spec_of(node: ort.NodeArg) -> TensorSpec:
    shape = tuple(size if isinstance(size, int) else None for size in node.shape)
    return TensorSpec(node.name, node.type.removeprefix("tensor(").removesuffix(")"), shape)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
