"""Ctrl-C and SIGTERM as a wish that is granted between two frames."""

from __future__ import annotations

import math
import os
import select
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

PATIENCE_S = 10.0
"""How long a backend that runs a model may leave a second signal without an answer."""
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
def watch_signals(patience_s: float = math.inf) -> Iterator[StopWish]:
    """Within it, SIGINT and SIGTERM are counted in the wish; only a third one interrupts at once.

    A third one that isn't answered within 3 s ends the process, and so does a second one that isn't within
    `patience_s`.

    Threads that hold FFmpeg's objects must have ended before these are closed, so nothing is interrupted
    wherever it happens to be. Outside the main thread, which alone gets signals, nothing is watched.
    """
    wish = StopWish()
    if threading.current_thread() is not threading.main_thread():
        yield wish
        return

    with ending_what_hangs(patience_s):
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
def ending_what_hangs(patience_s: float = PATIENCE_S) -> Iterator[None]:
    """Within it, the process ends if signals aren't answered: the main thread hangs in a backend.

    Python's own handlers wait until the main thread is back in Python; what they are woken by doesn't. Of
    those inside each other the innermost counts; what more than wishes it was sent goes on to the one around
    it, where something may still wait for the backend. For the main thread only.
    """
    wakes, woken = os.pipe()
    os.set_blocking(woken, False)
    left = threading.Event()
    before = signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    came = bytearray()

    def read() -> None:
        came.extend(n for n in os.read(wakes, 64) if n in (signal.SIGINT, signal.SIGTERM))

    def watch() -> None:
        until = math.inf
        while not left.is_set():
            timeout = None if until == math.inf else max(0.0, until - time.monotonic())
            if not select.select([wakes], [], [], timeout)[0]:
                if not left.is_set():
                    os.write(2, b"stopped: the backend doesn't answer\n")
                    os._exit(128 + came[-1])
                break
            read()
            if len(came) >= _ANSWERED:
                answer_s = _ANSWER_S if len(came) > _ANSWERED else patience_s
                until = min(until, time.monotonic() + answer_s)
        if select.select([wakes], [], [], 0)[0]:
            read()
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
        if len(came) > _ANSWERED and before != -1:
            os.write(before, came)
