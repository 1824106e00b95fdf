"""The wheels of all that a board installs, for its Python and processor, so that it needs no network."""

from __future__ import annotations

import email.parser
import importlib.util
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from unit_edge.errors import UnitEdgeError
from unit_edge.export.bundle.board_choice import Choice, System

_ROUNDS = 5
_OLDEST_GLIBC = {"x86_64": 5, "aarch64": 17}
_ALIASES = {5: "manylinux1", 12: "manylinux2010", 17: "manylinux2014"}
_RTX_PARTS = ("tensorrt-rtx-cu13-bindings", "tensorrt-rtx-cu13-libs")
_RTX_NAMES = ("tensorrt-rtx", "tensorrt-rtx-cu13")


def fetch_wheels(choice: Choice, system: System, folder: Path) -> None:
    """Puts what `choice` installs on a system, and all that it needs in turn, into a folder.

    Raises:
        UnitEdgeError: pip is missing or could not download them.
    """
    wanted = [*choice.requirements, *([system.cuda_bindings] if system.cuda_bindings else [])]
    with tempfile.TemporaryDirectory(dir=folder) as name:
        own = Path(name)
        if choice.backend == "rtx":
            wanted += _fetch_rtx(system, own)
        missing: list[str] = []
        for _ in range(_ROUNDS):
            _pip_download(system, own, [*wanted, *missing])
            found = _missing(own, wanted, system)
            if not found:
                break
            missing += found
        else:
            raise UnitEdgeError(f"wheels for Python {system.python}: pip leaves out {', '.join(missing)}")
        for wheel in own.glob("*.whl"):
            shutil.move(wheel, folder / wheel.name)


def _pip_download(system: System, folder: Path, wanted: list[str]) -> None:
    arguments = ["--only-binary=:all:", "--implementation=cp", f"--python-version={system.python}"]
    arguments += [f"--platform={platform}" for platform in platforms(system)]
    _pip("download", *arguments, f"--dest={folder}", *wanted, system=system)


def platforms(system: System) -> list[str]:
    """The platforms whose wheels run on a system, as pip names them, the best first."""
    machine = system.machine
    names = []
    for minor in range(system.glibc, _OLDEST_GLIBC[machine] - 1, -1):
        names.append(f"manylinux_2_{minor}_{machine}")
        if minor in _ALIASES:
            names.append(f"{_ALIASES[minor]}_{machine}")
    return [*names, f"linux_{machine}"]


def _fetch_rtx(system: System, folder: Path) -> list[str]:
    """TensorRT-RTX, whose parts are wheels, but whose names are two packages of source without any code."""
    arguments = [
        "--only-binary=:all:",
        "--implementation=cp",
        f"--python-version={system.python}",
        "--no-deps",
    ]
    arguments += [f"--platform={platform}" for platform in platforms(system)]
    _pip("download", *arguments, f"--dest={folder}", _RTX_PARTS[0], system=system)
    version = max(parse_wheel_filename(path.name)[1] for path in folder.glob("tensorrt_rtx*.whl"))
    names = [f"{name}=={version}" for name in _RTX_NAMES]
    _pip("wheel", "--no-deps", f"--wheel-dir={folder}", *names, system=system)
    return [f"{name}=={version}" for name in _RTX_PARTS]


def _pip(command: str, *arguments: str, system: System) -> None:
    if importlib.util.find_spec("pip") is None:
        raise UnitEdgeError("pip is missing, which downloads the wheels; install it, or add --no-wheels")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            command,
            "--quiet",
            "--disable-pip-version-check",
            "--no-input",
            *arguments,
        ],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")] or [
            "no reason given"
        ]
        raise UnitEdgeError(
            f"wheels for Python {system.python} on {system.machine} can't be downloaded "
            f"({errors[-1].removeprefix('ERROR:').strip()}); connect to the network, or add --no-wheels, "
            "and the board downloads them"
        )


def _missing(folder: Path, wanted: list[str], system: System) -> list[str]:
    """What wheels in a folder need that isn't there.

    pip asks this machine's Python, not the board's, whether a dependency applies.
    """
    wheels = {parse_wheel_filename(path.name)[0]: path for path in folder.glob("*.whl")}
    environment = _environment(system)
    missing, seen, todo = [], set(), [Requirement(one) for one in wanted]
    while todo:
        one = todo.pop()
        key = canonicalize_name(one.name), tuple(sorted(one.extras))
        if key in seen:
            continue
        seen.add(key)
        if key[0] not in wheels:
            one.marker = None
            missing.append(str(one))
            continue
        for line in _requires(wheels[key[0]]):
            need = Requirement(line)
            extras = ("", *one.extras)
            if need.marker is None or any(need.marker.evaluate({**environment, "extra": e}) for e in extras):
                todo.append(need)
    return sorted(missing)


def _requires(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as content:
        (name,) = (
            one for one in content.namelist() if one.endswith(".dist-info/METADATA") and one.count("/") == 1
        )
        metadata = email.parser.BytesParser().parsebytes(content.read(name), headersonly=True)
    return [str(line) for line in metadata.get_all("Requires-Dist") or ()]


def _environment(system: System) -> dict[str, str]:
    return {
        "implementation_name": "cpython",
        "implementation_version": f"{system.python}.0",
        "os_name": "posix",
        "platform_machine": system.machine,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": f"{system.python}.0",
        "python_version": system.python,
        "sys_platform": "linux",
    }
