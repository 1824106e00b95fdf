"""Which backend is fastest for a model on this CPU: tried once, in processes of their own, and remembered.

A process that crashes or hangs, as a compiler of bf16 once did, is only a backend that isn't taken. What it
does is trial_worker.py.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unit_edge.files.reading import read_json
from unit_edge.files.writing import cache_home, replacing
from unit_edge.machine.child import python_command
from unit_edge.machine.system import processor_name, words_of
from unit_edge.manifests.model import Manifest
from unit_edge.runtime.backends.cores import physical_cores, usable_cores

LIMIT_S = 60
"""For a backend to load, to compile the model and to run it."""

_WORKER = "unit_edge.runtime.backends.trial_worker"
_LEVELS_AT_MOST = 1
_KEPT_AT_MOST = 100
_BF16 = {"amx_bf16", "avx512_bf16"}


def candidates(*, onnxruntime: bool, openvino: bool) -> list[str]:
    """The backends of a CPU that may be the fastest, the safest first."""
    found = ["onnxruntime"] * onnxruntime + ["openvino"] * openvino
    return [*found, "openvino-bf16"] if openvino and has_bf16() else found


def has_bf16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether this processor computes in bf16, by what Linux tells of it; False where it doesn't."""
    return not _BF16.isdisjoint(words_of(cpuinfo, "flags"))


def fastest(model: Path, manifest: Manifest, backends: list[str]) -> str:
    """The backend that took least time for a frame; what differs from the first by more than a level is none.

    Tries them if this machine has no result for the model and these versions yet.
    """
    store, key = cache_home() / "backends.json", machine_key(manifest, backends)
    known = read_known(store)
    if known.get(key) in backends:
        return str(known[key])
    tried = {backend: found for backend in backends if (found := _try(model, backend)) is not None}
    expected = next((found["frame"] for found in tried.values()), None)
    spent = {
        backend: found["ms"]
        for backend, found in tried.items()
        if np.abs(_pixels(found) - _pixels({"frame": expected})).max() <= _LEVELS_AT_MOST
    }
    best = min(spent, key=lambda backend: float(spent[backend]), default=backends[0])
    if tried:
        write_known(store, known, key, best)
    return best


def _try(model: Path, backend: str) -> dict[str, Any] | None:
    """What a process says of a backend; None if it fails or takes too long."""
    command = [*python_command(_WORKER), str(model.absolute()), backend]
    try:
        done = subprocess.run(command, capture_output=True, timeout=LIMIT_S, stdin=subprocess.DEVNULL)
        found = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None
    except (OSError, subprocess.TimeoutExpired, ValueError, IndexError):
        return None
    return found if isinstance(found, dict) else None


def _pixels(found: dict[str, Any]) -> NDArray[np.int16]:
    return np.frombuffer(bytes.fromhex(found["frame"]), np.uint8).astype(np.int16)


def machine_key(manifest: Manifest, backends: list[str]) -> str:
    """Stands for all that a measurement of a model's backends on this machine depends on."""
    versions = []
    for package in ("onnxruntime", "openvino"):
        try:
            versions.append(version(package))
        except PackageNotFoundError:
            versions.append("")
    cores = physical_cores(), usable_cores()
    facts = manifest.sha256, backends, versions, processor_name(), *cores
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]


def read_known(store: Path) -> dict[str, Any]:
    """What was measured before, by `machine_key`."""
    try:
        known = read_json(store)
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def write_known(store: Path, known: dict[str, Any], key: str, value: Any) -> None:
    """Adds what was measured, at the cost of the oldest; where nothing can be written, nothing is."""
    known = {**dict(list(known.items())[1 - _KEPT_AT_MOST :]), key: value}
    try:
        store.parent.mkdir(parents=True, exist_ok=True)
        with replacing(store) as temporary:
            temporary.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    except OSError:  # it is tried again next time
        return
