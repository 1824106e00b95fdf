"""What a bundle for a board holds: its precisions, the Pythons it is for, and what is installed there."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires

from packaging.requirements import Requirement

from unit_edge.boards.board import Board
from unit_edge.boards.roofline import predict
from unit_edge.errors import ConfigError, UnitEdgeError
from unit_edge.manifests.costs import Costs

FAST_ENOUGH_FPS = 30
"""What dashcams record: the frame size that an engine is tuned for is the largest predicted to reach it."""

LEAST_PYTHON = (3, 10)


@dataclass(frozen=True)
class System:
    """An operating system that a board may have.

    Attributes:
        name: for people.
        python: its version, "3.10".
        machine: its processor as wheels name it, "aarch64".
        glibc: the newest 2.x that a wheel may need there.
        cuda_bindings: requirement for the CUDA that belongs to it; None without a GPU.
    """

    name: str
    python: str
    machine: str
    glibc: int
    cuda_bindings: str | None = None


# 12.8 is the first with wheels for aarch64 and Python 3.10, and the nearest to JetPack 6's CUDA 12.6
_JETPACKS = {
    "6": System(
        name="JetPack 6",
        python="3.10",
        machine="aarch64",
        glibc=35,
        cuda_bindings="cuda-bindings<12.9,>=12.8",
    ),
    "7": System(
        name="JetPack 7",
        python="3.12",
        machine="aarch64",
        glibc=39,
        cuda_bindings="cuda-bindings<13.1,>=13.0",
    ),
}
_RASPBERRY_PI_OS = (
    System(name="Raspberry Pi OS bookworm", python="3.11", machine="aarch64", glibc=36),
    System(name="Raspberry Pi OS trixie", python="3.13", machine="aarch64", glibc=41),
)
_PC_GLIBC = 28
"""Of Debian 10, RHEL 8, Ubuntu 20.04 and newer."""
_RTX_CUDA_BINDINGS = "cuda-bindings<14,>=13.0"

# a module built for numpy 1 doesn't load with numpy 2; JetPack's OpenCV is one
_JETPACK_NUMPY = "numpy<2,>=1.26"


@dataclass(frozen=True)
class Choice:
    """What a bundle for a board is.

    Attributes:
        board: that it is for.
        backend: what runs its models: "tensorrt" of JetPack, "rtx" for TensorRT-RTX, or "onnxruntime".
        precisions: of its models, the one to use first.
        systems: that it can be installed on.
        notes: what was left out and why, a line each.
    """

    board: Board
    backend: str
    precisions: tuple[str, ...]
    systems: tuple[System, ...]
    notes: tuple[str, ...]

    @property
    def int8_for(self) -> str:
        """The variant of int8 that the backend takes."""
        return "tensorrt" if self.board.kind == "gpu" else "cpu"

    @property
    def requirements(self) -> list[str]:
        """What every system gets besides unit-edge itself, as pip takes it.

        Raises:
            UnitEdgeError: unit-edge runs here without being installed, so nobody knows what it needs.
        """
        try:
            declared = [Requirement(line) for line in requires("unit-edge") or ()]
        except PackageNotFoundError:
            raise UnitEdgeError(
                "unit-edge is not installed here; install it with `pip install -e .`"
            ) from None
        needed = {one.name: str(one) for one in declared if one.marker is None}
        if self.backend == "tensorrt":
            del needed["opencv-python"]  # the system's has GStreamer
            needed["numpy"] = _JETPACK_NUMPY
        elif self.backend == "onnxruntime":
            (runtime,) = (one for one in declared if one.name == "onnxruntime")
            needed["onnxruntime"] = f"{runtime.name}{runtime.specifier}"
        return list(needed.values())


def choose(board: Board, precision: str | None, calibrated: bool, pythons: tuple[str, ...]) -> Choice:
    """Decides by the board what its bundle holds.

    Args:
        board: that it is for.
        precision: the only one that the user wants; None for those that suit the board.
        calibrated: whether there are frames to calibrate int8 on.
        pythons: versions to install on, "3.11"; none for those of the board's systems, or this Python.

    Raises:
        ConfigError: unit-edge doesn't run on that board or Python, or not in that precision.
    """
    gpu = board.kind == "gpu"
    suitable = ("fp16", "int8", "fp32") if gpu else ("fp32", "int8")
    notes: tuple[str, ...] = ()
    if precision is not None and precision not in suitable:
        wanted = " or ".join(suitable)
        raise ConfigError(f"precision {precision} for board {board.name}, expected {wanted}")
    if precision == "int8" and not calibrated:
        raise ConfigError("precision int8 needs frames to calibrate on: --calibrate VIDEO or FOLDER")
    if precision not in (None, "int8") and calibrated:
        raise ConfigError(f"frames to calibrate on with precision {precision}; expected int8")
    precisions = (precision,) if precision else suitable[:2] if calibrated else suitable[:1]
    if precision is None and not calibrated:
        notes = ("int8 left out: it needs frames to calibrate on, --calibrate VIDEO or FOLDER",)
    jetson = bool(board.software)
    backend = "tensorrt" if jetson else "rtx" if gpu else "onnxruntime"
    return Choice(
        board=board, backend=backend, precisions=precisions, systems=_systems(board, pythons), notes=notes
    )


def _systems(board: Board, pythons: tuple[str, ...]) -> tuple[System, ...]:
    known: tuple[System, ...] = ()
    if board.software:
        majors = dict.fromkeys(one.jetpack.partition(".")[0] for one in board.software)
        known = tuple(_JETPACKS[major] for major in majors if major in _JETPACKS)
        if not known:
            newest = board.software[-1]
            raise ConfigError(
                f"board {board.name}: no bundle: its last JetPack {newest.jetpack} has TensorRT "
                f"{newest.tensorrt} and Python 3.8; unit-edge needs TensorRT 10.3 and Python 3.10"
            )
    elif board.name.startswith("raspberry-pi"):
        known = _RASPBERRY_PI_OS
    for version in pythons:
        _check_python(version)
    if not known:
        wanted = pythons or ("{}.{}".format(*sys.version_info[:2]),)
        bindings = _RTX_CUDA_BINDINGS if board.kind == "gpu" else None
        return tuple(
            System(name="Linux", python=one, machine="x86_64", glibc=_PC_GLIBC, cuda_bindings=bindings)
            for one in dict.fromkeys(wanted)
        )
    if not pythons:
        return known
    of_version = {system.python: system for system in known}
    chosen = []
    for version in dict.fromkeys(pythons):
        if version in of_version:
            chosen.append(of_version[version])
        elif board.software:  # JetPack's TensorRT and OpenCV are for its own Python only
            names = " or ".join(f"{one.python} ({one.name})" for one in known)
            raise ConfigError(f"--python {version} for board {board.name}, expected {names}")
        else:
            chosen.append(
                System(name="another Linux", python=version, machine=known[0].machine, glibc=known[0].glibc)
            )
    return tuple(chosen)


def _check_python(version: str) -> None:
    if not re.fullmatch(r"3\.\d{1,2}", version) or int(version[2:]) < LEAST_PYTHON[1]:
        raise ConfigError(f"--python {version}, expected 3.10 or newer, such as 3.11")


def frame_size_for(costs: Costs, board: Board, precision: str) -> tuple[int, int]:
    """Width and height of the frames that a model shall be fast at, of those that its costs are known for.

    It is the largest that is predicted to be fast enough, or the smallest of all.
    """
    by_area = sorted(costs.at, key=lambda at: at.frame_size[0] * at.frame_size[1])
    chosen = by_area[0].frame_size
    for at in by_area[1:]:
        prediction = predict(at, board, precision, precision)
        if prediction is not None and prediction.fps >= FAST_ENOUGH_FPS:
            chosen = at.frame_size
    return chosen
