"""Which engine `auto` takes for a model on this machine, and why."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from unit_edge.errors import EngineError
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
    """An engine by its name on the command line.

    Attributes:
        reason: why `auto` took it; empty if it was asked for.
        note: what to know about this model on it; empty if nothing.
    """

    engine: str
    reason: str = ""
    note: str = ""


def choose_engine(manifest: Manifest, *, plan: bool, installed: Installed) -> tuple[str, str]:
    """The best engine for a model, and why it is that.

    ONNX Runtime's TensorRT provider is only taken when it is asked for: it builds for minutes at each new
    size of frames, and TF32 can only be turned off for the whole process.

    Args:
        plan: the model is an engine of TensorRT, not an ONNX file.

    Raises:
        EngineError: nothing that runs the model is installed.
    """
    int8 = manifest.precision == "int8"
    if plan:
        return "tensorrt", "nothing else runs .engine files"
    if installed.onnxruntime and installed.for_gpus and installed.gpu and not installed.lacking:
        return "onnxruntime-cuda", "there is an NVIDIA GPU, and onnxruntime is the build for it"
    if installed.openvino and int8:
        return "openvino", "on a CPU it is faster than onnxruntime with int8 models"
    if installed.openvino and not installed.onnxruntime:
        return "openvino", "onnxruntime is not installed"
    if not installed.onnxruntime:
        raise EngineError(NO_ONNXRUNTIME)
    if installed.lacking:
        return "onnxruntime", f"there is an NVIDIA GPU, but onnxruntime can't use it: {installed.lacking}"
    if installed.gpu:
        return "onnxruntime", "this onnxruntime is the CPU's, though there is an NVIDIA GPU"
    if int8:
        return "onnxruntime", "no NVIDIA GPU here, nor OpenVINO, which is faster with int8 models"
    return "onnxruntime", "no NVIDIA GPU here"


def slow_note(manifest: Manifest, engine: str) -> str:
    """A word about a model that runs slower on an engine than it need; empty where there is none."""
    if engine == "onnxruntime" and manifest.int8.get("for") == "tensorrt":
        return (
            "this int8 model is made for TensorRT and slower than fp32 on onnxruntime's CPU; "
            "`--engine openvino` runs it fast, or `unit-edge build` it on a board"
        )
    return ""


def decide(engine: str, manifest: Manifest, *, plan: bool, model: Path | None = None) -> Decision:
    """What runs a model if `engine` is asked for, which may be "auto".

    On a CPU that has several engines, `model`, its file, is tried with each of them once; see trial.py.

    Raises:
        EngineError: see `choose_engine`.
    """
    reason = ""
    if engine == "auto":
        installed = look_around()
        engine, reason = choose_engine(manifest, plan=plan, installed=installed)
        engines = candidates(onnxruntime=installed.onnxruntime, openvino=installed.openvino)
        tried = manifest.cut and manifest.precision != "int8"  # engines round int8 in other ways
        if model is not None and tried and engine in engines and len(engines) > 1:
            engine = fastest(model, manifest, engines)
            reason = f"on this machine it is the fastest of {', '.join(engines)}"
    return Decision(engine, reason, slow_note(manifest, engine))


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
