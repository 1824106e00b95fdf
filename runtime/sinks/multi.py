"""Several outputs of one run: those that every frame must reach, and those that must hold up none of them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from types import TracebackType

from unit_edge.errors import PartialError, UnitEdgeError
from unit_edge.frames import Frame
from unit_edge.runtime.sinks.base import FrameSink
from unit_edge.text.printable import one_line

_QUEUED_FRAMES = 4
_FINISH_S = 5.0


class MultiSink:
    """Writes each frame to all essential sinks, in this thread, and to the others, each on its own.

    An error of an essential sink is the caller's. One of the others that is slow loses frames (the oldest
    that wait), and one that fails is left out from then on; `PartialError` says so when the rest is finished.
    """

    def __init__(
        self,
        essential: Sequence[FrameSink],
        others: Sequence[tuple[str, FrameSink]] = (),
        notice: Callable[[str], None] | None = None,
    ) -> None:
        """`others` have a name for people; `notice` gets a line when one fails, from another thread."""
        self._essential = essential
        self._sides = [_Side(name, sink, notice or (lambda _: None)) for name, sink in others]

    @property
    def lost(self) -> dict[str, int]:
        """How many frames each of the others had no time for, by name."""
        return {side.name: side.lost for side in self._sides}

    def __enter__(self) -> MultiSink:
        with ExitStack() as stack:
            for sink in self._essential:
                stack.enter_context(sink)
            for side in self._sides:
                stack.enter_context(side)
            self._stack = stack.pop_all()
        return self

    def write(self, frame: Frame) -> None:
        for side in self._sides:
            side.offer(frame)
        for sink in self._essential:
            sink.write(frame)

    def cut_short(self) -> None:
        for sink in self._essential:
            sink.cut_short()
        for side in self._sides:
            side.cut_short = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)
        failed = [f"{side.name}: {side.error}" for side in self._sides if side.error is not None]
        if error is None and failed:
            raise PartialError(f"not all outputs are whole: {'; '.join(failed)}")


class _Side:
    """A sink on a thread of its own, which is opened by the caller's and closed by its own."""

    def __init__(self, name: str, sink: FrameSink, notice: Callable[[str], None]) -> None:
        self.name, self._sink, self._notice = name, sink, notice
        self.error: BaseException | None = None
        self.lost = 0
        self.cut_short = False
        self._frames: deque[Frame] = deque()
        self._changed = threading.Condition()
        self._ended = False
        self._outcome: BaseException | None = None

    def __enter__(self) -> _Side:
        self._sink.__enter__()
        self._thread = threading.Thread(target=self._work, name=f"unit-edge {self.name}", daemon=True)
        self._thread.start()
        return self

    def offer(self, frame: Frame) -> None:
        """Takes a frame without waiting."""
        with self._changed:
            if self.error is not None:
                return
            if len(self._frames) == _QUEUED_FRAMES:
                self._frames.popleft()
                self.lost += 1
            self._frames.append(frame)
            self._changed.notify()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._ended, self._outcome = True, error
            if error is not None:
                self._frames.clear()
            self._changed.notify()
        self._thread.join(_FINISH_S)
        if self._thread.is_alive():  # it hangs in a write; as a daemon it doesn't keep the process
            self.error = UnitEdgeError(f"took no frames for {_FINISH_S:.0f} s at the end")

    def _next(self) -> Frame | None:
        with self._changed:
            while not self._frames and not self._ended:
                self._changed.wait()
            return self._frames.popleft() if self._frames else None

    def _work(self) -> None:
        try:
            while (frame := self._next()) is not None:
                self._sink.write(frame)
            if self.cut_short:
                self._sink.cut_short()
        except BaseException as error:
            self._fail(error)
            with suppress(Exception):
                self._sink.__exit__(type(error), error, None)
            return
        outcome = self._outcome
        try:
            self._sink.__exit__(None if outcome is None else type(outcome), outcome, None)
        except BaseException as error:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            self.error = error
            self._frames.clear()
        self._notice(f"{self.name}: failed and is left out: {one_line(error)}")
