"""unit-edge's own wheel, made of what is installed here: without a network, and without build tools."""

from __future__ import annotations

import base64
import hashlib
import importlib
import re
import zipfile
from importlib.metadata import Distribution, distributions
from pathlib import Path

from unit_edge import __version__
from unit_edge.errors import UnitEdgeError

_PACKAGES = ("unit_edge", "unit_edge.train", "unit_edge.export", "unit_edge.runtime")
_SUFFIXES = {".py", ".toml", ".typed", ".html", ".css", ".js", ".svg"}
_EARLIEST = (1980, 1, 1, 0, 0, 0)
"""The time of every file, so that the same content gives the same bytes."""

LABEL = "board"
"""Marks the version, since the bundled models are left out."""


def write_own_wheel(folder: Path) -> Path:
    """Writes the wheel and returns where it is; the bundled models are not in it.

    Raises:
        UnitEdgeError: unit-edge runs here without being installed.
        OSError: it can't be written.
    """
    installed = _installed()
    version = __version__ + (f".{LABEL}" if "+" in __version__ else f"+{LABEL}")
    information = f"unit_edge-{version}.dist-info"
    files = _modules() | _information(installed, version, information)
    record = "".join(f"{name},{_digest(content)},{len(content)}\n" for name, content in files.items())
    files[f"{information}/RECORD"] = f"{record}{information}/RECORD,,\n".encode()
    path = folder / f"unit_edge-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _EARLIEST)
            entry.external_attr, entry.compress_type = 0o100644 << 16, zipfile.ZIP_DEFLATED
            entry.create_system = 3  # of a Unix, wherever it is made
            wheel.writestr(entry, content)
    return path


def _installed() -> Distribution:
    # in a checkout, the folder that setuptools leaves there comes first, and lacks the licence
    for found in distributions(name="unit-edge"):
        if found.read_text("METADATA"):
            return found
    raise UnitEdgeError("unit-edge is not installed here; install it with `pip install -e .`")


def _modules() -> dict[str, bytes]:
    files = {}
    for package in _PACKAGES:
        root = Path(importlib.import_module(package).__file__ or "").parent
        for path in sorted(root.rglob("*")):
            inside = path.relative_to(root)
            # a package that lies in another's folder, as after a plain install, has its own turn
            nested = package == "unit_edge" and f"unit_edge.{inside.parts[0]}" in _PACKAGES
            if path.suffix in _SUFFIXES and path.is_file() and not nested:
                files[f"{package.replace('.', '/')}/{inside.as_posix()}"] = path.read_bytes()
    return files


def _information(installed: Distribution, version: str, folder: str) -> dict[str, bytes]:
    metadata = installed.read_text("METADATA") or ""
    scripts = installed.read_text("entry_points.txt") or ""
    wheel = "Wheel-Version: 1.0\nGenerator: unit-edge\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files = {
        "METADATA": re.sub(r"(?m)^Version: .*$", f"Version: {version}", metadata, count=1),
        "WHEEL": wheel,
        "entry_points.txt": scripts,
    }
    licence = installed.read_text("licenses/LICENSE")  # since setuptools 77, which the build needs
    if licence is not None:
        files["licenses/LICENSE"] = licence
    return {f"{folder}/{name}": text.encode("utf-8") for name, text in files.items()}


def _digest(content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
    return f"sha256={digest.decode().rstrip('=')}"
