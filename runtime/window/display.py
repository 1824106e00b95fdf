"""Whether a window can be opened here, found out without risk: OpenCV aborts the process where none can."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

# PyAV brings an xcb library of its own; OpenCV's windows hang forever if theirs is loaded after it.
from unit_edge.errors import SinkError

_TRIAL = """
import cv2, sys
try:
    cv2.namedWindow("unit-edge", cv2.WINDOW_NORMAL)
    cv2.waitKey(1)
except cv2.error as error:
    sys.exit(3)
"""
_NO_WINDOWS = 3
_TRIAL_S = 30


def check_display() -> None:
    """Opens a window in a child process, which may die of it; and keeps Qt from talking of its fonts.

    Raises:
        SinkError: there is no display, it can't be connected to, this OpenCV has no windows, or PyAV was
            loaded before it.
    """
    order = [name for name in sys.modules if name in ("av", "cv2")]
    if sys.platform.startswith("linux") and order[0] == "av":
        raise SinkError("PyAV was imported before OpenCV, whose windows hang then; `import cv2` first")
    os.environ.setdefault("QT_LOGGING_RULES", "*=false")
    fonts = Path("/usr/share/fonts/truetype/dejavu")
    if fonts.is_dir():
        os.environ.setdefault("QT_QPA_FONTDIR", str(fonts))
    names = ("DISPLAY", "WAYLAND_DISPLAY")
    display = next((os.environ[name] for name in names if os.environ.get(name)), None)
    if sys.platform.startswith("linux") and display is None:
        raise SinkError(
            "--show needs a display, and neither DISPLAY nor WAYLAND_DISPLAY is set; "
            "write to a file with -o, or use `ssh -X`"
        )
    command = [sys.executable, "-c", _TRIAL]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_TRIAL_S
        )
    except subprocess.TimeoutExpired:
        raise SinkError(f"--show: display {display} doesn't answer; write to a file with -o") from None
    if done.returncode == _NO_WINDOWS:
        raise SinkError(
            "--show: this OpenCV was built without windows; "
            "`pip uninstall opencv-python-headless` and `pip install opencv-python`"
        )
    if done.returncode:
        raise SinkError(
            f"--show: no window can be opened on display {display or 'of this system'}; "
            "start a desktop or X server there, or write to a file with -o"
        )
