"""What all sinks have in common that only do something to frames on their way to another one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType

from unit_edge.frames import Frame
from unit_edge.runtime.sinks.base import FrameSink


class PassingSink(ABC):
    """A sink in front of another, which it opens, finishes and discards with itself."""

    def __init__(self, sink: FrameSink) -> None:
        self._sink = sink

    def __enter__(self) -> PassingSink:
        self._sink.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sink.__exit__(kind, error, trace)

    @abstractmethod
    def passed(self, frame: Frame) -> Frame:
        """What the other sink gets for a frame, when it is its turn."""

    def write(self, frame: Frame) -> None:
        self._sink.write(self.passed(frame))

    def cut_short(self) -> None:
        self._sink.cut_short()
