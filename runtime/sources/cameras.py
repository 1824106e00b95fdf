"""Which cameras Linux has: the devices of V4L2 that capture, with their names. Needs no OpenCV."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path

_DEVICES, _NAMES = Path("/dev"), Path("/sys/class/video4linux")
_QUERYCAP = 0x80685600  # VIDIOC_QUERYCAP
_CAPABILITY = struct.Struct("16s32s32sIII12x")  # struct v4l2_capability
_CAPTURE, _MEMORY_TO_MEMORY, _DEVICE_CAPS = 0x1 | 0x1000, 0x4000 | 0x8000, 0x80000000


@dataclass(frozen=True)
class CameraNode:
    """A device that captures, or may.

    Attributes:
        title: the driver's name for it, "HD Pro Webcam C920".
        fault: why it can't be asked: "permission" or the system's words; empty where it can.
    """

    path: Path
    title: str
    fault: str = ""


def camera_nodes() -> list[CameraNode]:
    """The cameras by number: no devices that only carry metadata, put out frames, or encode and decode."""
    nodes = (_node(path) for path in sorted(_DEVICES.glob("video[0-9]*"), key=_number))
    return [node for node in nodes if node is not None]


def _number(path: Path) -> int:
    digits = path.name.removeprefix("video")
    return int(digits) if digits.isdecimal() else -1


def _node(path: Path) -> CameraNode | None:
    try:
        title = (_NAMES / path.name / "name").read_text(errors="replace").strip()
    except OSError:
        title = str(path)
    try:
        captures = _captures(path)
    except PermissionError:
        return CameraNode(path, title, "permission")
    except OSError as error:
        return CameraNode(path, title, error.strerror or str(error))
    return CameraNode(path, title) if captures else None


def _captures(path: Path) -> bool:
    import fcntl  # not on Windows, which has no such devices either

    descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    try:
        answer = fcntl.ioctl(descriptor, _QUERYCAP, bytes(_CAPABILITY.size))
    finally:
        os.close(descriptor)
    *_, of_all, of_this = _CAPABILITY.unpack(answer)
    what = of_this if of_all & _DEVICE_CAPS else of_all
    return bool(what & _CAPTURE) and not what & _MEMORY_TO_MEMORY
