"""Which backend `auto` takes for a model on this machine, and why."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from unit_edge.errors import BackendError
from unit_edge.machine.gpu import find_gpu
from unit_edge.manifests.model import Manifest
from unit_edge.runtime.backends.trial import candidates, fastest

NO_ONNXRUNTIME = (
    'onnxruntime is not installed; install it with `pip install "unit-edge[cpu]"`, '
    'or `pip install "unit-edge[gpu]"` for an NVIDIA GPU (never both)'
)


@dataclass(frozen=True)
class Installed:
    """What a machine has.

    Attributes:
        onnxruntime: either build of it.
        for_gpus: that build is the one for NVIDIA GPUs.
        gpu: there is such a GPU, with a driver.
        openvino: OpenVINO.
        lacking: why that onnxruntime can't use the GPU: a library of CUDA that is missing; empty if none is.
    """

    onnxruntime: bool = False
    for_gpus: bool = False
    gpu: bool = False
    openvino: bool = False
    lacking: str = ""


@dataclass(frozen=True)
class Decision:
    """A backend by its name on the command line.

    Attributes:
        reason: why `auto` took it; empty if it was asked for.
        note: what to know about this model on it; empty if nothing.
    """

    backend: str
    reason: str = ""
    note: str = ""


def choose_backend(manifest: Manifest, *, is_engine: bool, installed: Installed) -> tuple[str, str]:
    """The best backend for a model, and why it is that.

    ONNX Runtime's TensorRT provider is only taken when it is asked for: it builds for minutes at each new
    size of frames, and TF32 can only be turned off for the whole process.

    Args:
        is_engine: the model is an engine of TensorRT, not an ONNX file.

    Raises:
        BackendError: nothing that runs the model is installed.
    """
    int8 = manifest.precision == "int8"
    if is_engine:
        return "tensorrt", "nothing else runs .engine files"
    if installed.onnxruntime and installed.for_gpus and installed.gpu and not installed.lacking:
        return "onnxruntime-cuda", "there is an NVIDIA GPU, and onnxruntime is the build for it"
    if installed.openvino and int8:
        return "openvino", "on a CPU it is faster than onnxruntime with int8 models"
    if installed.openvino and not installed.onnxruntime:
        return "openvino", "onnxruntime is not installed"
    if not installed.onnxruntime:
        raise BackendError(NO_ONNXRUNTIME)
    if installed.lacking:
        return "onnxruntime", f"there is an NVIDIA GPU, but onnxruntime can't use it: {installed.lacking}"
    if installed.gpu:
        return "onnxruntime", "this onnxruntime is the CPU's, though there is an NVIDIA GPU"
    if int8:
        return "onnxruntime", "no NVIDIA GPU here, nor OpenVINO, which is faster with int8 models"
    return "onnxruntime", "no NVIDIA GPU here"


def slow_note(manifest: Manifest, backend: str) -> str:
    """A word about a model that runs slower on a backend than it need; empty where there is none."""
    if backend == "onnxruntime" and manifest.int8.get("for") == "tensorrt":
        return (
            "this int8 model is made for TensorRT and slower than fp32 on onnxruntime's CPU; "
            "`--backend openvino` runs it fast, or `unit-edge build` it on a board"
        )
    return ""


def decide(backend: str, manifest: Manifest, *, is_engine: bool, model: Path | None = None) -> Decision:
    """What runs a model if `backend` is asked for, which may be "auto".

    On a CPU that has several backends, `model`, its file, is tried with each of them once; see trial.py.

    Raises:
        BackendError: see `choose_backend`.
    """
    reason = ""
    if backend == "auto":
        installed = look_around()
        backend, reason = choose_backend(manifest, is_engine=is_engine, installed=installed)
        backends = candidates(onnxruntime=installed.onnxruntime, openvino=installed.openvino)
        tried = manifest.cut and manifest.precision != "int8"  # backends round int8 in other ways
        if model is not None and tried and backend in backends and len(backends) > 1:
            backend = fastest(model, manifest, backends)
            reason = f"on this machine it is the fastest of {', '.join(backends)}"
    return Decision(backend, reason, slow_note(manifest, backend))


def look_around() -> Installed:
    """What this machine has; loads onnxruntime only where there is a GPU."""
    gpu, onnxruntime = find_gpu() is not None, find_spec("onnxruntime") is not None
    for_gpus, lacking = False, ""
    if gpu and onnxruntime:
        import onnxruntime as ort

        from unit_edge.runtime.backends.onnxruntime.session import CUDA, missing_library

        for_gpus = CUDA in ort.get_available_providers()
        lacking = missing_library(CUDA) if for_gpus else ""
    return Installed(
        onnxruntime=onnxruntime,
        for_gpus=for_gpus,
        gpu=gpu,
        openvino=find_spec("openvino") is not None,
        lacking=lacking,
    )
