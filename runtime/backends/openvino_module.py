"""The import of OpenVINO, without the report of it that its makers get."""

from __future__ import annotations

import importlib
import sys
from typing import Any


def load_openvino() -> Any:
    """The module; its companion openvino-telemetry, which would connect to the network, stays out.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    return importlib.import_module("openvino")
