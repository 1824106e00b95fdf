"""Probes of displays: which one the session names, then a window of OpenCV on it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from unit_edge.runtime.doctor.finding import BROKEN, MISSING, OK, SHORT, Finding, Problem, load
from unit_edge.runtime.doctor.remedies import remedy
from unit_edge.text.printable import one_line

_X_SOCKETS = Path("/tmp/.X11-unix")


def display_probes() -> dict[str, Callable[[], list[Finding]]]:
    return {"display": _displays, "window": _window}


def _displays() -> list[Finding]:
    names = ("DISPLAY", "WAYLAND_DISPLAY")
    given = [f"{name}={os.environ[name]}" for name in names if os.environ.get(name)]
    if given:
        return [Finding("display", OK, f"{' and '.join(given)}; a window shows whether it answers")]
    if sys.platform in ("win32", "darwin"):
        return [Finding("display", OK, "the system's own")]
    servers = sorted(_X_SOCKETS.glob("X*")) if _X_SOCKETS.is_dir() else []
    fact = "none for this session (neither DISPLAY nor WAYLAND_DISPLAY is set)"
    raise Problem(MISSING, fact, f"export DISPLAY=:{servers[0].name[1:]}" if servers else None)


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
