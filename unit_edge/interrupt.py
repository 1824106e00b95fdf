"""Ctrl-C and SIGTERM as a wish that is granted between two frames."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_ANSWERED = 2
"""Signals that are wishes; one more is an order."""
_ANSWER_S = 3.0


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

    with _giving_up(wish):
        yield from _counted(wish)


def _counted(wish: StopWish) -> Iterator[StopWish]:
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


@contextmanager
def _giving_up(wish: StopWish) -> Iterator[None]:
    """Within it, the process ends if a third signal isn't answered: the main thread hangs in a backend.

    Python's own handlers wait until the main thread is back in Python; what they are woken by doesn't.
    """
    wakes, woken = os.pipe()
    os.set_blocking(woken, False)
    left = threading.Event()
    before = signal.set_wakeup_fd(woken, warn_on_full_buffer=False)

    def watch() -> None:
        came = b""
        while data := os.read(wakes, 64):
            came += bytes(number for number in data if number in (signal.SIGINT, signal.SIGTERM))
            if left.is_set():
                break
            if len(came) > _ANSWERED and not left.wait(_ANSWER_S):
                os.write(2, b"stopped: the backend doesn't answer\n")
                os._exit(128 + came[-1])
        os.close(wakes)

    watcher = threading.Thread(target=watch, name="unit-edge signals", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        left.set()
        signal.set_wakeup_fd(before)
        os.write(woken, b"\0")  # processes that were forked meanwhile hold this end open
        os.close(woken)
        watcher.join()
