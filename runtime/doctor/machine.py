"""Probes of the machine: Python, numpy, processor, GPUs, and which board of the table it is."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path

from unit_edge.boards.board import Board
from unit_edge.boards.find import USUAL, all_boards
from unit_edge.machine.gpu import Gpu, find_gpus
from unit_edge.machine.system import board_model, memory_gb, system_name
from unit_edge.runtime.doctor.finding import BROKEN, MISSING, OK, Finding, Problem, load

_NVIDIA_VENDOR, _DISPLAY_CLASS = "0x10de", "0x03"


def machine_probes() -> dict[str, Callable[[], list[Finding]]]:
    return {"python": _python, "board": _board, "numpy": _numpy}


def gpu_probes() -> dict[str, Callable[[], list[Finding]]]:
    return {"gpu": _gpus}


def _python() -> list[Finding]:
    return [Finding("python", OK, f"{platform.python_version()}, {sys.executable}")]


def _board() -> list[Finding]:
    memory = memory_gb()
    facts = [
        board_model() or f"{system_name()}, {platform.machine()}",
        f"{os.cpu_count()} cores",
        *([f"{memory:.0f} GB"] if memory else []),
    ]
    board = nearest_cpu(board_model(), platform.machine(), os.cpu_count() or 1)
    if board is not None:
        facts.append(f"nearest of `unit-edge boards`: {board.name}")
    return [Finding("board", OK, ", ".join(facts))]


def _numpy() -> list[Finding]:
    return [Finding("numpy", OK, str(load("numpy", "numpy").__version__))]


def _gpus() -> list[Finding]:
    gpus = find_gpus()
    if not gpus and _nvidia_card_fitted():
        raise Problem(BROKEN, "an NVIDIA GPU is fitted, but its driver is missing or doesn't answer")
    if not gpus:
        raise Problem(MISSING, "no NVIDIA GPU or driver")
    return [
        Finding("gpu" if len(gpus) == 1 else f"gpu {index}", OK, _gpu_fact(gpu))
        for index, gpu in enumerate(gpus)
    ]


def _gpu_fact(gpu: Gpu) -> str:
    board = nearest_gpu(gpu, board_model(), memory_gb())
    fact = f"{gpu.name}, compute capability {gpu.compute_capability}"
    if board is None:
        return f"{fact}; `unit-edge boards` has none like it"
    return f"{fact}; nearest of `unit-edge boards`: {board.name}"


def nearest_gpu(gpu: Gpu, model: str, memory: float | None) -> Board | None:
    """The board of the table that a GPU is most like: by name, else by capability and memory.

    Args:
        model: what the firmware calls the board; empty on a PC.
        memory: of the machine in GB, which is the GPU's on a Jetson; None if unknown.
    """
    boards = [board for board in all_boards() if board.compute_capability == gpu.compute_capability]
    named = [board for board in boards if board.title in gpu.name]
    if named or not model:
        return next(iter(named or boards), None)
    # families that the firmware names, "orin-nano" of "NVIDIA Jetson Orin Nano Developer Kit Super"
    words = model.lower().replace("-", " ").split()
    family = [
        board
        for family in USUAL
        for board in boards
        if board.name.startswith(family) and set(family.split("-")) <= set(words)
    ]
    boards = family or boards
    mode = [board for board in boards if board.name.endswith("-super") == ("super" in words)]
    boards = mode or boards
    if not boards or memory is None:
        return boards[0] if boards else None
    return min(boards, key=lambda board: abs((board.memory_gb or 0) - memory))


def nearest_cpu(model: str, machine: str, cores: int) -> Board | None:
    """The board of the table that a processor is most like; None if it has none of that kind."""
    if model.startswith("Raspberry Pi 5"):
        return next(board for board in all_boards() if board.name == "raspberry-pi-5")
    if machine.lower() not in ("x86_64", "amd64"):
        return None
    x86 = [board for board in all_boards() if board.name.startswith("x86-")]
    return min(x86, key=lambda board: abs(int(board.name.split("-")[1]) - cores))


def _nvidia_card_fitted() -> bool:
    for device in Path("/sys/bus/pci/devices").glob("*"):
        try:
            kind, vendor = (device / "class").read_text(), (device / "vendor").read_text()
        except OSError:
            continue
        if vendor.strip() == _NVIDIA_VENDOR and kind.startswith(_DISPLAY_CLASS):
            return True
    return False
