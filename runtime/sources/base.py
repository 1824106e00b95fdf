"""The protocol of all sources. Imports none of them."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Protocol, TypeGuard

from unit_edge.frames import Frame, VideoInfo


class FrameSource(Protocol):
    """Frames in order of presentation; a context manager that is iterated once.

    The end of the stream ends the iteration. A fault raises, TruncatedError where good frames came
    before it.
    """

    @property
    def info(self) -> VideoInfo:
        """What is known before the first frame; only inside `with`."""

    @property
    def live(self) -> bool:
        """Whether frames come when they want: those that nobody takes are dropped, and it is a LiveFrames."""

    def __enter__(self) -> FrameSource: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def __iter__(self) -> Iterator[Frame]: ...

    def stop(self) -> None:
        """Ends the iteration, from another thread, even where it waits for a frame that never comes."""


class LiveFrames(FrameSource, Protocol):
    """What a live source has beside its frames.

    Attributes:
        captured: how many frames have come.
        taken: how many of them the iteration gave.
        reconnects: how often it came back after a loss.
    """

    captured: int
    taken: int
    reconnects: int

    @property
    def lost(self) -> bool:
        """Whether it is being connected to again."""


def is_live(source: FrameSource) -> TypeGuard[LiveFrames]:
    """Whether a source drops frames instead of waiting."""
    return source.live
