"""How many processors there are to compute with."""

from __future__ import annotations

import os
from pathlib import Path


def usable_cores() -> int:
    """That this process may run on."""
    return len(_usable())


def physical_cores(root: Path = Path("/")) -> int:
    """The same without the second thread of a core, which adds little to arithmetic; where Linux tells it."""
    siblings = "sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
    try:
        return len({(root / siblings.format(core)).read_text() for core in _usable()})
    except OSError:
        return usable_cores()


def _usable() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))
