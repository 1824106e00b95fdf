"""The protocol of all sinks. Imports none of them."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol

from unit_edge.frames import Frame


class FrameSink(Protocol):
    """Takes frames in order; a context manager.

    Leaving `with` without an exception finishes the output, with one discards it.
    """

    def __enter__(self) -> FrameSink: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def write(self, frame: Frame) -> None:
        """Takes one frame; its image is not used afterwards."""

    def cut_short(self) -> None:
        """Says that the frames end before their source does: nothing that lasts longer is to be kept."""
