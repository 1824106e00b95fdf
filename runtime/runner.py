"""What runs a model: the protocol of all engines, and the one way to open one."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from unit_edge.errors import ConfigError, EngineError, ModelError
from unit_edge.manifest import Manifest, TensorSpec, sha256_of

ENGINES = ("auto", "onnxruntime", "onnxruntime-cuda")
_ONNX_FIRST_BYTE = 0x08  # the tag of ir_version, which every ONNX file begins with


class Runner(Protocol):
    """Translates frames; a context manager: the constructor stores, `with` acquires."""

    @property
    def manifest(self) -> Manifest:
        """Of the model that it runs."""

    @property
    def engine(self) -> str:
        """What runs it, for people: "onnxruntime 1.22.0, CPU"; only inside `with`."""

    def __enter__(self) -> Runner: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def infer(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """uint8[N,H,W,3] BGR to the same; returns when done, in an array that is the caller's."""


def open_runner(model: Path, engine: str = "auto", *, threads: int | None = None) -> Runner:
    """The runner for a model file, checked against its manifest; to be entered with `with`.

    "auto" takes the GPU if the installed onnxruntime is the build for it, else the CPU. `threads` is of
    the inference on a CPU; None for as many as there are cores.

    Raises:
        ModelError: the file or its manifest is missing, damaged, or of something else than frames.
        EngineError: the engine isn't installed or doesn't work here.
        ConfigError: no such engine.
    """
    if engine not in ENGINES:
        raise ConfigError(f"unknown engine {engine!r}; known: {', '.join(ENGINES)}")
    manifest = read_model(model)
    try:
        from unit_edge.runtime.ort_runner import OrtRunner
    except ModuleNotFoundError as error:
        if error.name != "onnxruntime":
            raise
        raise EngineError(
            'onnxruntime is not installed; install it with `pip install "unit-edge[cpu]"`, '
            'or `pip install "unit-edge[gpu]"` for an NVIDIA GPU (never both)'
        ) from None
    device = {"auto": None, "onnxruntime": "cpu", "onnxruntime-cuda": "cuda"}[engine]
    return OrtRunner(model, manifest, device=device, threads=threads)


def read_model(model: Path) -> Manifest:
    """The manifest beside a model file, after comparing the two.

    Raises:
        ModelError: see `open_runner`.
    """
    if not model.is_file():
        raise ModelError(f"{model}: no such model file; `unit-edge models` lists the bundled ones")
    if model.suffix.lower() != ".onnx":
        raise ModelError(f"{model}: unknown kind of model file; expected one that ends in .onnx")
    with model.open("rb") as file:
        if file.read(1) != bytes([_ONNX_FIRST_BYTE]):
            raise ModelError(f"{model}: not an ONNX model; `unit-edge export` writes one")
    manifest_path = model.with_suffix(".json")
    manifest = Manifest.read(manifest_path)
    for tensor in (manifest.input, manifest.output):
        _check_frames(model, tensor)
    if manifest.input.shape[1:3] != manifest.output.shape[1:3]:
        raise ModelError(
            f"{model}: takes frames of {size_text(manifest.input)} and gives {size_text(manifest.output)}; "
            "expected the same size; export the model again"
        )
    if sha256_of(model) != manifest.sha256:
        raise ModelError(
            f"{model}: differs from its manifest {manifest_path.name} (another sha256); "
            "copy both files again from the same place, or export the model again"
        )
    return manifest


def _check_frames(model: Path, tensor: TensorSpec) -> None:
    shape = tensor.shape
    if tensor.dtype != "uint8" or len(shape) != 4 or shape[0] not in (None, 1) or shape[3] != 3:
        raise ModelError(
            f"{model}: made for other tensors: {tensor.name} is {tensor_text(tensor.dtype, shape)}, "
            "expected uint8[N,H,W,3]; export the model with `unit-edge export`"
        )


def tensor_text(dtype: str, shape: tuple[int | None, ...]) -> str:
    """A tensor as people write it: uint8[?,480,640,3]."""
    return f"{dtype}[{','.join('?' if size is None else str(size) for size in shape)}]"


def size_text(tensor: TensorSpec) -> str:
    """Width and height of the frames: 640x480, or "any size"."""
    _, height, width, _ = tensor.shape
    return "any size" if height is None and width is None else f"{width or '?'}x{height or '?'}"
