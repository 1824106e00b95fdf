"""A live source: its newest frame wins, and it is connected to again when it is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from unit_edge.errors import SourceError, TruncatedError
from unit_edge.frames import Frame, VideoInfo
from unit_edge.runtime.sources.capture import Capture

_NOMINAL_FPS = 30
_TICKS_PER_S = 90_000
_BACKOFF_S = (0.5, 10.0)
_DAMAGED_FRAMES_AT_MOST = 30
_LEFT_BEHIND_AFTER_S = 30  # a driver that hangs must not keep a recording from being finished


class LiveSource:
    """Frames as they come, through a thread that always waits for the next one.

    A frame is converted only if it is wanted when it arrives; the others are counted and dropped. Times
    are of arrival, from the first frame on, and go on through interruptions.
    """

    live = True

    def __init__(
        self,
        name: str,
        open_capture: Callable[[], Capture],
        *,
        reconnect_for_s: float | None = None,
        duration_s: float | None = None,
        notice: Callable[[str], None] | None = None,
    ) -> None:
        """
        Args:
            name: of the source, for messages; without passwords.
            open_capture: connects; it is called again after a loss.
            reconnect_for_s: how long a lost source is waited for; None for ever.
            duration_s: when to end; None to go on.
            notice: gets one line when the source is lost and when it is back, in the capturing thread.
        """
        self._name, self._open_capture = name, open_capture
        self._reconnect_for_s, self._duration_s = reconnect_for_s, duration_s
        self._notice = notice or (lambda _: None)
        self._changed = threading.Condition()
        self._newest: tuple[NDArray[np.uint8], float] | None = None
        self._wanted = self._stopped = self._ended = False
        self._error: BaseException | None = None
        self._lost_since: float | None = None
        self._pause_s = _BACKOFF_S[0]
        self.captured = self.taken = self.reconnects = 0

    @property
    def info(self) -> VideoInfo:
        return self._info

    @property
    def lost(self) -> bool:
        """Whether it is being connected to again."""
        return self._lost_since is not None

    def __enter__(self) -> LiveSource:
        capture = self._open_capture()
        try:
            image = self._first(capture)
        except BaseException:
            capture.release()
            raise
        height, width = image.shape[:2]
        fps = Fraction(capture.fps or _NOMINAL_FPS).limit_denominator(1001)
        self._info = VideoInfo(width, height, fps, time_base=Fraction(1, _TICKS_PER_S))
        self._thread = threading.Thread(
            target=self._run, args=(capture,), name="unit-edge capture", daemon=True
        )
        self._thread.start()
        return self

    def _first(self, capture: Capture) -> NDArray[np.uint8]:
        for _ in range(_DAMAGED_FRAMES_AT_MOST):  # a stream may begin between two key frames
            if not capture.grab():
                break
            self.captured += 1
            image = capture.retrieve()
            if image is not None:
                self._newest = image, time.monotonic()
                return image
        raise SourceError(f"{self._name}: connected, but no frame came; expected video")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._thread.join(_LEFT_BEHIND_AFTER_S)

    def stop(self) -> None:
        """Ends the iteration, from another thread; nothing is captured or counted afterwards."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def __iter__(self) -> Iterator[Frame]:
        start: float | None = None
        last = Fraction(-1)
        while (taken := self._take(start)) is not None:
            image, captured_s = taken
            start = captured_s if start is None else start
            ticks = round((captured_s - start) * _TICKS_PER_S)
            pts = last = max(Fraction(ticks, _TICKS_PER_S), last + Fraction(1, _TICKS_PER_S))
            self.taken += 1
            yield Frame(image, self.taken - 1, pts, captured_s=captured_s)
        if self._error is not None:
            raise self._error

    def _take(self, start: float | None) -> tuple[NDArray[np.uint8], float] | None:
        """The next frame and its time, or None at the end; `start` is the time of the first one."""
        end = None if self._duration_s is None or start is None else start + self._duration_s
        with self._changed:
            self._wanted = self._newest is None
            while self._newest is None and not self._stopped and not self._ended:
                left_s = None if end is None else end - time.monotonic()
                if left_s is not None and left_s <= 0:
                    return None
                self._changed.wait(left_s)
            taken, self._newest, self._wanted = self._newest, None, False
        if self._stopped or taken is None or (end is not None and taken[1] >= end):
            return None
        return taken

    def _run(self, capture: Capture | None) -> None:
        try:
            while capture is not None:
                try:
                    self._capture(capture)
                finally:
                    capture.release()
                capture = self._reconnect()
        except BaseException as error:
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _capture(self, capture: Capture) -> None:
        """Takes frames until the source is lost or nobody wants any more."""
        connected_s = time.monotonic()
        while capture.grab():
            captured_s = time.monotonic()
            with self._changed:
                if self._stopped:
                    return
                self.captured += 1
                wanted = self._wanted
            if self.lost:
                self._lost_since = None
                self.reconnects += 1
                self._notice(f"{self._name}: connected again")
            image = capture.retrieve() if wanted else None
            if image is not None:
                with self._changed:
                    self._newest, self._wanted = (image, captured_s), False
                    self._changed.notify_all()
        if time.monotonic() - connected_s > _BACKOFF_S[1]:
            self._pause_s = _BACKOFF_S[0]

    def _reconnect(self) -> Capture | None:
        """Connects anew, with longer and longer pauses; None if nobody wants that any more."""
        patience_s = self._reconnect_for_s
        if not self.lost and not self._stopped:
            self._lost_since = time.monotonic()
            if patience_s != 0:
                self._notice(f"{self._name}: lost; connecting again")
        while not self._stopped:
            pause_s = self._pause_s
            if patience_s is not None and self._lost_since is not None:
                left_s = self._lost_since + patience_s - time.monotonic()
                if left_s <= 0:
                    waited = f" and didn't come back within {patience_s:g} s" if patience_s else ""
                    raise TruncatedError(f"{self._name}: the source ended{waited}; what came before is kept")
                pause_s = min(pause_s, left_s)
            with self._changed:
                self._changed.wait_for(lambda: self._stopped, pause_s)
            if self._stopped:
                break
            self._pause_s = min(2 * self._pause_s, _BACKOFF_S[1])
            try:
                return self._open_capture()
            except SourceError:
                continue
        return None
