"""The window: shows the newest frame with figures over it, and turns keys into actions."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
from numpy.typing import NDArray

from unit_edge.errors import UnitEdgeError
from unit_edge.frames import Frame
from unit_edge.runtime.resize import resized
from unit_edge.runtime.sinks.images import write_image
from unit_edge.runtime.sinks.look import Look
from unit_edge.runtime.window.hud import Numbers, draw

_TITLE = "unit-edge"
_POLL_MS = 15
_MAP_MS = 300  # Qt's window can stay black for good if it is resized before it is on the screen
_REDRAW_S = 0.2
_MESSAGE_S = 4.0
_LEAST_SIZE = (960, 300)  # so that what is written over small pictures can be read
_MOST_WIDTH = 1600
_ESCAPE = 27


@dataclass
class Actions:
    """What the keys do beside what the window does itself.

    Attributes:
        quit: asks the run to end; called once.
        swap: changes the direction and returns what there is to say.
        record: starts or stops a recording with the look of the window.
        recording: whether one runs.
    """

    quit: Callable[[], None]
    swap: Callable[[], str]
    record: Callable[[Look], None]
    recording: Callable[[], bool]


class Window:
    """A sink whose frames are shown by `loop`, which runs in the main thread as OpenCV wants it.

    Frames that come faster than they can be shown are not shown. While it is paused, the last one stays, and
    if `holds` the run waits.
    """

    def __init__(
        self,
        numbers: Callable[[], Numbers],
        actions: Actions,
        *,
        look: Look,
        snapshot_path: Callable[[], Path],
    ) -> None:
        self._numbers, self._actions, self._look = numbers, actions, look
        self._snapshot_path = snapshot_path
        self.holds = False
        self._changed = threading.Condition()
        self._newest: Frame | None = None
        self._shown: Frame | None = None
        self._paused = self._help = self._leaving = False
        self._message, self._message_until = "starting", float("inf")

    # The sink, in another thread

    def __enter__(self) -> Window:
        return self

    def write(self, frame: Frame) -> None:
        with self._changed:
            while self.holds and self._paused and not self._leaving:
                self._changed.wait()
            self._newest = frame

    def cut_short(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    # The window, in the main thread

    def say(self, message: str) -> None:
        """Shows a line for some seconds; from any thread."""
        self._message, self._message_until = message, time.monotonic() + _MESSAGE_S

    def loop(self, done: Callable[[], bool], stopping: Callable[[], bool]) -> None:
        """Shows frames and obeys keys until `done`; `stopping` says that the run has been asked to end."""
        cv2.namedWindow(_TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        size, drawn_at = (0, 0), 0.0
        try:
            cv2.imshow(_TITLE, self._picture())
            self._obey(cv2.waitKey(_MAP_MS))
            while not done():
                frame = self._shown if self._paused else self._newest
                now = time.monotonic()
                if frame is not self._shown or now - drawn_at > _REDRAW_S:
                    if frame is not None and self._shown is None:
                        self._message_until = 0.0
                    self._shown, drawn_at = frame, now
                    picture = self._picture()
                    cv2.imshow(_TITLE, picture)
                    if size != picture.shape[1::-1]:
                        size = picture.shape[1], picture.shape[0]
                        scale = min(1.0, _MOST_WIDTH / size[0])
                        cv2.resizeWindow(_TITLE, round(size[0] * scale), round(size[1] * scale))
                self._obey(cv2.waitKey(_POLL_MS))
                closed = cv2.getWindowProperty(_TITLE, cv2.WND_PROP_VISIBLE) < 1
                if (closed or stopping()) and not self._leaving:
                    self._quit()
                if closed:
                    return
        finally:
            self._leave()
            if cv2.getWindowProperty(_TITLE, cv2.WND_PROP_VISIBLE) >= 1:
                cv2.destroyWindow(_TITLE)

    def _picture(self) -> NDArray[np.uint8]:
        if self._shown is None:
            image = np.zeros((540, 960, 3), np.uint8)
        else:
            image = self._look.image(self._shown)
            height, width = image.shape[:2]
            scale = min(max(_LEAST_SIZE[0] / width, _LEAST_SIZE[1] / height), _MOST_WIDTH / width)
            if scale > 1:
                image = resized(image, round(width * scale), round(height * scale))
        message = self._message if time.monotonic() < self._message_until else ""
        if self._leaving:
            message = "stopping"
        elif self._paused:
            message = f"paused  {message}"
        return draw(
            image, self._numbers().lines(), message=message, help_=self._help, dot=self._actions.recording()
        )

    def _obey(self, code: int) -> None:
        if code < 0:
            return
        key = "\x1b" if code & 0xFF == _ESCAPE else chr(code & 0xFF).lower()
        if key in ("q", "\x1b"):
            self._quit()
        elif key == " ":
            with self._changed:
                self._paused = not self._paused
                self._changed.notify_all()
        elif key == "d":
            self.say(self._actions.swap())
        elif key == "s":
            self._look = replace(self._look, side_by_side=not self._look.side_by_side, size=None)
        elif key == "p":
            self._snapshot()
        elif key == "r":
            self._actions.record(self._look)
        elif key == "h":
            self._help = not self._help
        else:
            return
        self._redraw_soon()

    def _redraw_soon(self) -> None:
        if self._shown is not None and not self._leaving:
            cv2.imshow(_TITLE, self._picture())

    def _snapshot(self) -> None:
        if self._shown is None:
            return
        path = self._snapshot_path()
        try:
            write_image(path, self._look.image(self._shown))
        except UnitEdgeError as error:
            self.say(str(error))
        else:
            self.say(f"wrote {path}")

    def _quit(self) -> None:
        if not self._leaving:
            self._leave()
            self._actions.quit()

    def _leave(self) -> None:
        with self._changed:
            self._leaving = True
            self._changed.notify_all()
