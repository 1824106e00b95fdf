"""TensorRT or TensorRT-RTX, whose Python modules are nearly the same."""

from __future__ import annotations

import importlib
import platform
from typing import Any

from unit_edge.errors import BackendError, ConfigError
from unit_edge.machine.gpu import find_gpu
from unit_edge.manifests.engine import ENGINE_BACKENDS

_MODULES = {"tensorrt": "tensorrt", "rtx": "tensorrt_rtx"}


def load_tensorrt(wanted: str = "auto") -> tuple[str, Any]:
    """The name and the module of a backend; "auto" takes TensorRT where there is a GPU, else what is there.

    Raises:
        ConfigError: no such backend.
        BackendError: it isn't installed.
    """
    if wanted not in ("auto", *ENGINE_BACKENDS):
        raise ConfigError(f"unknown backend {wanted!r}; known: auto, {', '.join(ENGINE_BACKENDS)}")
    for backend in ENGINE_BACKENDS if wanted == "auto" else (wanted,):
        if wanted == "auto" and backend == "tensorrt" and find_gpu() is None:
            continue
        try:
            return backend, importlib.import_module(_MODULES[backend])
        except ModuleNotFoundError as error:
            if error.name != _MODULES[backend]:
                raise
    if platform.machine() == "aarch64" and wanted != "rtx":
        raise BackendError(
            "TensorRT is not installed: on a Jetson it is JetPack's python3-libnvinfer; "
            "make the environment with `python3 -m venv --system-site-packages`"
        )
    extra = "rtx" if wanted == "rtx" or (wanted == "auto" and find_gpu() is None) else "tensorrt"
    raise BackendError(f'TensorRT is not installed; install it with `pip install "unit-edge[{extra}]"`')


def make_logger(trt: Any) -> Any:
    """A logger that prints nothing and keeps the first error, in TensorRT's own words, in `said`."""

    class Log(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.said = ""

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
                self.said = self.said or message

    return Log()
