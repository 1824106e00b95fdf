"""The import of OpenVINO, without the report of it that its makers get."""

from __future__ import annotations

import importlib
import sys
import threading
from typing import Any

_LOADING = threading.Lock()


def load_openvino() -> Any:
    """The module; its companion openvino-telemetry, which would connect to the network, stays out.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    with _LOADING:
        openvino = importlib.import_module("openvino")
        # its bindings look numpy up at the first array; threads that come to that at once wait for ever
        openvino.Type.u8.to_dtype()
    return openvino
