"""Frames at their times, for what shows them as soon as it gets them."""

from __future__ import annotations

import time

from unit_edge.frames import Frame
from unit_edge.runtime.sinks.base import FrameSink
from unit_edge.runtime.sinks.passing import PassingSink

_LONGEST_WAIT_S = 1.0


class Pace:
    """Waits until a frame is due; one that is late moves all that follow, so that none hurries."""

    def __init__(self) -> None:
        self._began: float | None = None

    def wait_for(self, frame: Frame) -> None:
        """Sleeps, but never longer than a second."""
        now, pts = time.monotonic(), float(frame.pts)
        if self._began is None:
            self._began = now - pts
        early_s = self._began + pts - now
        if early_s > 0:
            time.sleep(min(early_s, _LONGEST_WAIT_S))
        if not 0 <= early_s <= _LONGEST_WAIT_S:
            self._began = time.monotonic() - pts


class PacedSink(PassingSink):
    """Gives a sink each frame at its time."""

    def __init__(self, sink: FrameSink) -> None:
        super().__init__(sink)
        self._pace = Pace()

    def passed(self, frame: Frame) -> Frame:
        self._pace.wait_for(frame)
        return frame
