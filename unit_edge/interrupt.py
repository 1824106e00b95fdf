"""Ctrl-C and SIGTERM as a wish that is granted between two frames."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(KeyboardInterrupt):
    """The user stopped a run; what was done until then has been finished.

    Attributes:
        signal_number: that stopped it; a shell expects 128 more as exit code.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal.Signals(signal_number).name)
        self.signal_number = signal_number


class StopWish:
    """Whether, how often and by which signal the user has asked for an end."""

    count = 0
    signal_number = signal.SIGINT

    def __bool__(self) -> bool:
        return self.count > 0

    def ask(self) -> None:
        """Wishes for an end as Ctrl-C does, once."""
        self.count = max(self.count, 1)

    @property
    def insists(self) -> bool:
        """Not even what is done shall be finished."""
        return self.count > 1


@contextmanager
def watch_signals() -> Iterator[StopWish]:
    """Within it, SIGINT and SIGTERM are counted in the wish; only a third one interrupts at once.

    Threads that hold FFmpeg's objects must have ended before these are closed, so nothing is interrupted
    wherever it happens to be. Outside the main thread, which alone gets signals, nothing is watched.
    """
    wish = StopWish()
    if threading.current_thread() is not threading.main_thread():
        yield wish
        return

    def note(signal_number: int, _: FrameType | None) -> None:
        if wish.insists:
            raise KeyboardInterrupt
        wish.count += 1
        wish.signal_number = signal.Signals(signal_number)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    # A shell lets its background jobs ignore SIGINT; that stays so.
    watched = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    try:
        for number in watched:
            signal.signal(number, note)
        yield wish
    finally:
        for number in watched:
            signal.signal(number, before[number] or signal.SIG_DFL)
