"""The machine that a benchmark ran on, so that its figures can be judged elsewhere."""

from __future__ import annotations

import os
import platform
import sys
from typing import Any

from unit_edge import __version__
from unit_edge.machine.gpu import find_gpus
from unit_edge.machine.system import board_model, memory_gb, processor_name, system_name
from unit_edge.runtime.sensors.system import (
    available_bytes,
    governor,
    power_mode,
    swap_used_bytes,
)


def describe_machine() -> dict[str, Any]:
    """What there is to know, by name; None where the machine doesn't tell."""
    available, swapped, mode = available_bytes(), swap_used_bytes(), power_mode()
    load = os.getloadavg() if hasattr(os, "getloadavg") else None
    return {
        "board": board_model() or None,
        "processor": processor_name() or platform.processor() or None,
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "memory_gb": memory_gb(),
        "memory_free_gb": None if available is None else available / 1e9,
        "swap_used_gb": None if swapped is None else swapped / 1e9,
        "gpus": [f"{gpu.name}, compute capability {gpu.compute_capability}" for gpu in find_gpus()] or None,
        "governor": governor(),
        "power_mode": None if mode is None else mode[0],
        "load_before": None if load is None else load[0],
        "system": system_name(),
        "python": sys.version.split()[0],
        "unit_edge": __version__,
    }
