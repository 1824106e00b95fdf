"""Where translated frames meet those who want them: the newest one, whenever somebody has time for it."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from fractions import Fraction
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from unit_edge.frames import Frame
from unit_edge.runtime.serve.live.controls import Controls
from unit_edge.runtime.sinks.steady import Steadier
from unit_edge.runtime.window.recorder import Recorder

_TICKS_PER_S = 90_000


@dataclass(frozen=True)
class Pair:
    """A frame before and after its translation.

    Attributes:
        before: uint8[H,W,3], BGR.
        after: of the same size.
        number: of the frame, from 1 on.
        captured_s: when it came, on the clock of time.monotonic().
    """

    before: NDArray[np.uint8]
    after: NDArray[np.uint8]
    number: int
    captured_s: float


class Hub:
    """A sink that keeps the newest frame, and gives each to the recorder after that."""

    def __init__(self, controls: Controls, recorder: Recorder) -> None:
        self._controls, self._recorder = controls, recorder
        self._changed = threading.Condition()
        self._newest: Pair | None = None
        self._began_s = time.monotonic()
        self._steadier: Steadier | None = None

    @property
    def newest(self) -> Pair | None:
        return self._newest

    def wait(self, after: int, seconds: float) -> Pair | None:
        """The newest frame as soon as its number is above `after`; None if none comes in time."""
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None and self._newest.number > after, seconds)
            newest = self._newest
        return newest if newest is not None and newest.number > after else None

    # The sink, in the thread that the pipeline writes in

    def __enter__(self) -> Hub:
        return self

    def write(self, frame: Frame) -> None:
        before = frame.image if frame.before is None else frame.before
        after = self._steadied(before, frame.image)
        now = time.monotonic()
        captured_s = now if frame.captured_s is None else frame.captured_s
        with self._changed:
            number = 1 if self._newest is None else self._newest.number + 1
            self._newest = Pair(before, after, number=number, captured_s=captured_s)
            self._changed.notify_all()
        # a source that is opened anew begins at 0 again, a recording goes on
        ticks = round((now - self._began_s) * _TICKS_PER_S)
        self._recorder.write(replace(frame, image=after, before=before, pts=Fraction(ticks, _TICKS_PER_S)))

    def _steadied(self, before: NDArray[np.uint8], after: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if not self._controls.steady or self._controls.paused:
            self._steadier = None
            return after
        if self._steadier is None:
            self._steadier = Steadier()
        return self._steadier.steady(before, after)

    def cut_short(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
