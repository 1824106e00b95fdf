"""What the system and the firmware say of this machine. Standard library only."""

from __future__ import annotations

import os
import platform
from pathlib import Path

_DEVICE_TREE_MODEL = Path("/proc/device-tree/model")


def system_name() -> str:
    """ "Debian GNU/Linux 12 (bookworm)", or "Windows 11"."""
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return f"{platform.system()} {platform.release()}"


def memory_gb() -> float | None:
    """The machine's memory in 10⁹ bytes; None where the system doesn't say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    except (AttributeError, ValueError, OSError):
        return None


def board_model() -> str:
    """What the firmware calls a board, "NVIDIA Jetson Orin Nano Developer Kit"; empty on a PC."""
    try:
        return _DEVICE_TREE_MODEL.read_text(errors="replace").strip("\0\n ")
    except OSError:
        return ""


def resident_bytes(pid: int, root: Path = Path("/")) -> tuple[int, int] | None:
    """Memory that a process holds now, and the most that it has held."""
    now, most = (words_of(root / f"proc/{pid}/status", f"{name}:") for name in ("VmRSS", "VmHWM"))
    return (1024 * int(now[0]), 1024 * int(most[0])) if now and most else None


def processor_name(root: Path = Path("/")) -> str | None:
    """What the processor calls itself; None of those, as ARM's, that say nothing."""
    words = words_of(root / "proc/cpuinfo", "model name")
    return " ".join(words[1:]) if words else None


def words_of(path: Path, start: str) -> list[str]:
    """The words behind the start of a file's first line that begins so; none if there is no such line."""
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return []
    return next((line[len(start) :].split() for line in text.splitlines() if line.startswith(start)), [])
