"""What an encoder does to its process's threads is undone."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_THREADS = Path("/proc/self/task")


@contextmanager
def scheduling_kept() -> Iterator[None]:
    """Gives the calling thread, and those that are started meanwhile, the scheduling it has now.

    Where it may (as root, and so in most containers), SVT-AV1 makes its own threads and the one that opens it
    real-time ones of the highest priority, and leaves them so: whatever that thread and the processes it
    starts compute from then on, nothing else on the machine gets a core before them.
    """
    if not _THREADS.is_dir():
        yield
        return
    policy, parameters, before = os.sched_getscheduler(0), os.sched_getparam(0), _threads()
    try:
        yield
    finally:
        for thread in (_threads() - before) | {threading.get_native_id()}:
            with suppress(OSError):  # it has ended
                os.sched_setscheduler(thread, policy, parameters)


def _threads() -> set[int]:
    return {int(path.name) for path in _THREADS.iterdir()}
