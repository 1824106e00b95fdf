"""Probes of displays: X11 and Wayland by their own protocols, then a window of OpenCV."""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Callable
from pathlib import Path

from unit_edge.runtime.doctor.finding import BROKEN, MISSING, OK, SHORT, Finding, Problem, load
from unit_edge.runtime.doctor.remedies import remedy
from unit_edge.text.printable import one_line

_X_SOCKETS = Path("/tmp/.X11-unix")
_X_PORT, _X_LITTLE_ENDIAN, _X_MAJOR = 6000, 0x6C, 11
_COOKIE = b"MIT-MAGIC-COOKIE-1"
_ANSWER_S = 3


def display_probes() -> dict[str, Callable[[], list[Finding]]]:
    return {"display": _displays, "window": _window}


def _displays() -> list[Finding]:
    x, wayland = os.environ.get("DISPLAY"), os.environ.get("WAYLAND_DISPLAY")
    found = []
    if x:
        found.append(_tried(f"display {x}", lambda: _connect_x(x)))
    if wayland:
        found.append(_tried(f"display {wayland}", lambda: _connect_wayland(wayland)))
    if found:
        return found
    if sys.platform in ("win32", "darwin"):
        return [Finding("display", OK, "the system's own")]
    servers = sorted(_X_SOCKETS.glob("X*")) if _X_SOCKETS.is_dir() else []
    fact = "none for this session (neither DISPLAY nor WAYLAND_DISPLAY is set)"
    raise Problem(MISSING, fact, f"export DISPLAY=:{servers[0].name[1:]}" if servers else None)


def _tried(name: str, connect: Callable[[], str]) -> Finding:
    try:
        return Finding(name, OK, connect())
    except (OSError, ValueError) as error:
        return Finding(name, BROKEN, f"can't be connected to: {one_line(error, SHORT)}")


def _connect_x(display: str) -> str:
    """Opens a connection as X11 clients do.

    Raises:
        OSError: there is no such server, or it refuses.
        ValueError: no name of a display.
    """
    host, colon, rest = display.rpartition(":")
    number = rest.partition(".")[0]
    if not colon or not number.isdecimal():
        raise ValueError("expected HOST:NUMBER, such as :0")
    refusal = ""
    for cookie in [*_cookies(number), b""]:
        with _x_socket(host, int(number)) as server:
            name = _COOKIE if cookie else b""
            head = struct.pack("<BxHHHHxx", _X_LITTLE_ENDIAN, _X_MAJOR, 0, len(name), len(cookie))
            server.sendall(head + _padded(name) + _padded(cookie))
            answer = server.recv(8)
            if answer[:1] == b"\1":
                return "X11, connects"
            refusal = server.recv(answer[1]).decode(errors="replace") if len(answer) == 8 else "hung up"
    raise OSError(f"the X server refuses: {refusal.strip()}")


def _x_socket(host: str, number: int) -> socket.socket:
    if host and host != "unix" and not host.startswith("/"):
        return socket.create_connection((host.strip("[]"), _X_PORT + number), _ANSWER_S)
    path = str(_X_SOCKETS / f"X{number}")
    for address in ("\0" + path, path) if sys.platform == "linux" else (path,):
        server = socket.socket(socket.AF_UNIX)
        server.settimeout(_ANSWER_S)
        try:
            server.connect(address)
            return server
        except OSError as error:
            server.close()
            reason = error
    raise OSError(f"no X server answers there ({reason.strerror or reason})")


def _cookies(number: str) -> list[bytes]:
    """Those of the authority file that may be for a display."""
    path = Path(os.environ.get("XAUTHORITY") or Path.home() / ".Xauthority")
    try:
        content = path.read_bytes()
    except OSError:
        return []
    found, at = [], 0
    while at + 2 <= len(content):
        at += 2  # the family
        fields = []
        for _ in range(4):  # address, number, name, data
            length = int.from_bytes(content[at : at + 2], "big")
            fields.append(content[at + 2 : at + 2 + length])
            at += 2 + length
        if fields[2] == _COOKIE and fields[1] in (b"", number.encode()):
            found.append(fields[3])
    return found


def _padded(text: bytes) -> bytes:
    return text + bytes(-len(text) % 4)


def _connect_wayland(display: str) -> str:
    """Asks the compositor for its registry.

    Raises:
        OSError: it doesn't answer.
    """
    path = Path(os.environ.get("XDG_RUNTIME_DIR", "/run")) / display
    with socket.socket(socket.AF_UNIX) as server:
        server.settimeout(_ANSWER_S)
        server.connect(str(path))
        server.sendall(struct.pack("=III", 1, 12 << 16 | 1, 2))
        if not server.recv(8):
            raise OSError("it hung up")
    return "Wayland, connects"


def _window() -> list[Finding]:
    cv2 = load("cv2", "opencv")
    numpy = load("numpy", "numpy")
    try:
        cv2.imshow("unit-edge doctor", numpy.zeros((48, 64, 3), numpy.uint8))
        cv2.waitKey(1)
        cv2.destroyAllWindows()
    except cv2.error as error:
        if "not implemented" in str(error):
            raise Problem(MISSING, "this OpenCV is built without windows", remedy("opencv-window")) from None
        raise Problem(BROKEN, one_line(error, SHORT)) from None
    return [Finding("window", OK, "OpenCV shows one")]
