"""Sessions of ONNX Runtime: each runs on what was asked for, or opening it is an error."""

from __future__ import annotations

import contextlib
import ctypes
import io
from collections.abc import Sequence
from pathlib import Path

import onnxruntime as ort

from unit_edge.errors import BackendError, ModelError
from unit_edge.files.onnx_file import loaded_by
from unit_edge.manifests.model import Manifest, TensorSpec, tensor_text
from unit_edge.text.printable import one_line

CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
Provider = str | tuple[str, dict[str, str]]
FATAL_ONLY = 4  # what goes wrong comes as an exception too

_NOT_BUILT_IN = {
    CUDA: 'this onnxruntime has no CUDA; uninstall it and `pip install "unit-edge[gpu]"`, '
    "or use `--backend onnxruntime` for the CPU",
    TENSORRT: 'this onnxruntime has no TensorRT; uninstall it and `pip install "unit-edge[gpu]"`, '
    "or use `--backend onnxruntime` for the CPU",
}
_NEEDS = {
    CUDA: "CUDA or cuDNN is missing or of another version; on a PC "
    '`pip install "onnxruntime-gpu[cuda,cudnn]"` brings them, and `--backend onnxruntime` is for the CPU',
    TENSORRT: "TensorRT, CUDA or cuDNN is missing or of another version; "
    "`--backend onnxruntime-cuda` does without TensorRT",
}


def session_options() -> ort.SessionOptions:
    """What all sessions have in common."""
    options = ort.SessionOptions()
    options.log_severity_level = FATAL_ONLY
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    return options


def fix_size(
    options: ort.SessionOptions, dimensions: Sequence[str | int | None], shape: tuple[int, ...]
) -> None:
    """Writes the shape of an input into the graph, by the names of its `dimensions` that aren't fixed yet.

    What is computed from the shape is constant then: no such node is left.
    """
    for name, size in zip(dimensions, shape, strict=True):
        if isinstance(name, str):
            options.add_free_dimension_override_by_name(name, size)


def require_provider(provider: str) -> None:
    """Raises BackendError if this build of onnxruntime hasn't got a provider, or lacks a library for it."""
    if provider not in ort.get_available_providers():
        raise BackendError(_NOT_BUILT_IN[provider])
    if lacking := missing_library(provider):
        raise BackendError(f"onnxruntime's {provider} can't be loaded: {lacking}: {_NEEDS[provider]}")


def open_session(
    model: Path, providers: Sequence[Provider], options: ort.SessionOptions, content: bytes | None = None
) -> ort.InferenceSession:
    """A session that uses the first of `providers`; the others are for what that one can't do.

    `content` is what it runs instead of the file's.

    Raises:
        BackendError: ONNX Runtime can't use the first one, and would take another.
        ModelError: it can't load the model.
    """
    wanted = providers[0] if isinstance(providers[0], str) else providers[0][0]
    # Otherwise it prints that it takes another provider, and does; old ones know no `enable_fallback`.
    with loaded_by("ONNX Runtime", model), contextlib.nullcontext() if wanted == CPU else _unprinted():
        session = ort.InferenceSession(
            model if content is None else content,
            sess_options=options,
            providers=list(providers),
            enable_fallback=0,
        )
    session.disable_fallback()
    found = session.get_providers()
    if wanted not in found:  # ONNX Runtime falls back with no more than a warning
        raise BackendError(
            f"asked for {wanted}, but onnxruntime fell back to {', '.join(found)}: {_NEEDS[wanted]}"
        )
    return session


def missing_library(provider: str) -> str:
    """The library that a provider lacks here, in the words of the system's loader; empty if none.

    CUDA and cuDNN of pip packages, which that loader doesn't find, are loaded if need be.
    """
    lacking = _loader_says(provider)
    if lacking and hasattr(ort, "preload_dlls"):  # from onnxruntime 1.21 on
        with _unprinted():  # it says what it doesn't find
            ort.preload_dlls()
        lacking = _loader_says(provider)
    return lacking


def _unprinted() -> contextlib.redirect_stdout[io.StringIO]:
    """Keeps what is printed from stdout, where frames may be on their way."""
    return contextlib.redirect_stdout(io.StringIO())


def _loader_says(provider: str) -> str:
    name = {CUDA: "cuda", TENSORRT: "tensorrt"}[provider]
    try:
        ctypes.CDLL(str(Path(ort.__file__).parent / "capi" / f"libonnxruntime_providers_{name}.so"))
    except OSError as error:
        text = one_line(error)
        # of the file itself it complains because onnxruntime's other libraries aren't loaded yet
        return text if "libonnxruntime" not in text else ""
    return ""


def check_tensors(model: Path, manifest: Manifest, session: ort.InferenceSession) -> None:
    """Raises ModelError if a model takes or gives other tensors than its manifest says."""
    for kind, spec, nodes in (
        ("input", manifest.input, session.get_inputs()),
        ("output", manifest.output, session.get_outputs()),
    ):
        with loaded_by("ONNX Runtime", model):
            found = [_spec_of(node) for node in nodes]
        if found != [spec]:
            raise ModelError(
                f"{model}: made for other tensors: its {kind} is {', '.join(map(_text, found))}, "
                f"its manifest says {_text(spec)}; export the model again"
            )


def _text(spec: TensorSpec) -> str:
    return f"{spec.name} {tensor_text(spec.dtype, spec.shape)}"


def _spec_of(node: ort.NodeArg) -> TensorSpec:
    shape = tuple(size if isinstance(size, int) else None for size in node.shape)
    return TensorSpec(node.name, node.type.removeprefix("tensor(").removesuffix(")"), shape)
