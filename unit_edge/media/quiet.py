"""Keeps what C libraries print about damaged pictures from stderr, where our one line about them goes."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_STDERR = 2
_lock = threading.Lock()
_inside = 0
_printed = -1
_quiet = False


def keep_libraries_quiet() -> None:
    """Makes `quiet_libraries` do something from now on.

    That is a program's choice, for stderr is the whole process's.

    sys.stderr gets a descriptor of its own, so that nothing that Python prints is lost meanwhile.
    """
    global _quiet
    if _quiet or sys.stderr is None or not _is_stderr():
        return
    encoding = sys.stderr.encoding
    sys.stderr.flush()
    sys.stderr = os.fdopen(os.dup(_STDERR), "w", encoding=encoding, errors="backslashreplace", buffering=1)
    _quiet = True


def _is_stderr() -> bool:
    try:
        return sys.stderr.fileno() == _STDERR
    except (OSError, ValueError):
        return False


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Within it, in any number of threads, what is written to the process's stderr itself is lost."""
    global _inside, _printed
    if not _quiet:
        yield
        return
    with _lock:
        _inside += 1
        if _inside == 1:
            _printed = os.dup(_STDERR)
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, _STDERR)
            os.close(nowhere)
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                os.dup2(_printed, _STDERR)
                os.close(_printed)
