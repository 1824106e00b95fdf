"""Probes of inference backends: each that can runs a bundled model."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

from unit_edge.errors import BackendError
from unit_edge.machine.gpu import find_gpu
from unit_edge.registry import bundled_models
from unit_edge.runtime.backends.openvino.module import load_openvino
from unit_edge.runtime.doctor.finding import BROKEN, MISSING, OK, SHORT, WARNING, Finding, Problem, load
from unit_edge.runtime.doctor.remedies import remedy
from unit_edge.text.printable import one_line

_FRAME = (96, 160)  # height and width
_LEAST_TENSORRT = (10, 3)


def onnxruntime_probes() -> dict[str, Callable[[], list[Finding]]]:
    return {
        "onnxruntime": _onnxruntime,
        "onnxruntime-cuda": _onnxruntime_cuda,
        "onnxruntime-tensorrt": _onnxruntime_tensorrt,
    }


def _onnxruntime() -> list[Finding]:
    installed = [name for name in ("onnxruntime", "onnxruntime-gpu") if _is_installed(name)]
    module = load("onnxruntime", "onnxruntime")
    if not hasattr(module, "InferenceSession"):
        raise Problem(BROKEN, "its files are not whole", remedy("one-onnxruntime"))
    found = _ran("onnxruntime", module.__version__)
    if len(installed) > 1:
        fact = f"both {' and '.join(installed)} are installed, and overwrite one another"
        return [
            found,
            Finding(name="onnxruntime packages", status=WARNING, fact=fact, fix=remedy("one-onnxruntime")),
        ]
    return [found]


def _onnxruntime_cuda() -> list[Finding]:
    return [_ran("onnxruntime-cuda", _version_with("CUDAExecutionProvider"))]


def _onnxruntime_tensorrt() -> list[Finding]:
    name, version = "onnxruntime-tensorrt", _version_with("TensorrtExecutionProvider")
    from unit_edge.runtime.backends.open import open_runner

    models = bundled_models()
    if not models:
        return [Finding(name, OK, f"{version}; not tried: no model is bundled here")]
    try:
        with open_runner(models[0][0], name):
            pass
    except Exception as error:
        raise Problem(BROKEN, f"{version}: {one_line(error, 240)}") from None
    # a first frame would have it build an engine, which can take minutes
    return [Finding(name, OK, f"{version}, starts; builds an engine for each new size of frames")]


def _version_with(provider: str) -> str:
    """The version of an onnxruntime that has an execution provider, and a GPU to use it on."""
    import onnxruntime

    if provider not in onnxruntime.get_available_providers():
        raise Problem(MISSING, "this onnxruntime is the CPU's", remedy("onnxruntime-cuda"))
    if find_gpu() is None:
        raise Problem(MISSING, "no NVIDIA GPU or driver")
    return str(onnxruntime.__version__)


def openvino_probes() -> dict[str, Callable[[], list[Finding]]]:
    return {"openvino": _openvino}


def _openvino() -> list[Finding]:
    version = str(load("openvino", "openvino", load_openvino).__version__).partition("-")[0]
    return [_ran("openvino", version)]


def _ran(backend: str, version: str) -> Finding:
    """Has a backend translate a frame, which is in the finding's `output`."""
    np = load("numpy", "numpy")
    models = bundled_models()
    if not models:
        return Finding(backend, OK, f"{version}; not tried: no model is bundled here")
    try:
        load("cv2", "opencv")
    except Problem as problem:
        raise Problem(BROKEN, f"{version}, not tried: opencv {problem.fact}", problem.fix) from None
    model, _ = min(models, key=lambda pair: pair[0].stat().st_size)
    frame = np.random.default_rng(0).integers(0, 256, (1, *_FRAME, 3), dtype=np.uint8)
    try:
        translated = _infer(model, backend, frame)
    except Exception as error:
        raise Problem(BROKEN, f"{version}: {one_line(error, 240)}", remedy(backend)) from None
    output = base64.b64encode(translated.tobytes()).decode()
    return Finding(backend, OK, f"{version}, translates with {model.stem}", output=output)


def _infer(model: Path, backend: str, frame: Any) -> Any:
    from unit_edge.runtime.backends.open import open_runner

    with open_runner(model, backend) as runner:
        return runner.infer(frame)


def tensorrt_probes() -> dict[str, Callable[[], list[Finding]]]:
    return {"tensorrt": partial(_tensorrt, "tensorrt", "tensorrt")}


def tensorrt_rtx_probes() -> dict[str, Callable[[], list[Finding]]]:
    return {"tensorrt-rtx": partial(_tensorrt, "tensorrt-rtx", "tensorrt_rtx")}


def _tensorrt(name: str, module: str) -> list[Finding]:
    trt = load(module, name)
    version = str(trt.__version__)
    if name == "tensorrt" and tuple(int(part) for part in version.split(".")[:2]) < _LEAST_TENSORRT:
        raise Problem(BROKEN, f"{version}, expected 10.3 or newer (on a Jetson: JetPack 6 or newer)")
    gpu = find_gpu()
    if gpu is None and name == "tensorrt":
        raise Problem(MISSING, f"{version} is installed, but there is no NVIDIA GPU or driver")
    from unit_edge.runtime.backends.tensorrt.module import make_logger

    logger = make_logger(trt)
    builder = trt.Builder(logger)
    if builder is None or (gpu is not None and trt.Runtime(logger) is None):
        raise Problem(BROKEN, f"{version}: {one_line(logger.said, SHORT)}")
    can = "builds engines, which need an NVIDIA GPU to run" if gpu is None else f"starts on {gpu.name}"
    return [Finding(name, OK, f"{version}, {can}")]


def cuda_probes() -> dict[str, Callable[[], list[Finding]]]:
    return {"cuda-bindings": _cuda_bindings}


def _cuda_bindings() -> list[Finding]:
    load("cuda.bindings", "cuda-bindings")
    version = metadata.version("cuda-bindings") if _is_installed("cuda-bindings") else "unknown version"
    if find_gpu() is None:
        raise Problem(MISSING, f"{version} is installed, but there is no NVIDIA GPU or driver")
    try:
        _copy_through_gpu()
    except (BackendError, RuntimeError) as error:
        raise Problem(BROKEN, f"{version}: {one_line(error, SHORT)}", remedy("cuda-bindings")) from None
    return [Finding("cuda-bindings", OK, f"{version}, copies to the GPU and back")]


def _copy_through_gpu() -> None:
    from unit_edge.runtime.backends.cuda import Stream

    with Stream() as stream:
        sent, received = stream.pinned((1024,)), stream.pinned((1024,))
        sent[...], received[...] = 7, 0
        memory = stream.device(sent.nbytes)
        stream.upload(memory, sent)
        stream.download(received, memory)
        stream.wait()
        if not (received == 7).all():
            raise BackendError("what came back from the GPU is not what was sent")


def _is_installed(distribution: str) -> bool:
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True
