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
    """Of the machine, in 10⁹ bytes; None where the system doesn't say."""
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
