"""A process whose main thread hangs in a library still ends when the user insists."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

HANGS = """
import hashlib
from unit_edge.interrupt import watch_signals
with watch_signals():
    print("hangs", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)
"""
ANSWERS = """
import time
from unit_edge.interrupt import watch_signals
for _ in range(3):
    with watch_signals() as wish:
        print("ready", flush=True)
        while not wish: time.sleep(0.01)
print("ended", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_third_signal_ends_what_hangs(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HANGS],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
    ) as child:
        try:
            assert child.stdout is not None and child.stderr is not None
            assert child.stdout.readline() == b"hangs\n"
            for _ in range(3):
                child.send_signal(number)
                time.sleep(0.2)
            assert child.wait(60) == 128 + number
            assert child.stderr.read() == b"stopped: the backend doesn't answer\n"
        finally:
            child.kill()


def test_wishes_that_are_granted_end_nothing_else() -> None:
    with subprocess.Popen([sys.executable, "-c", ANSWERS], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        for _ in range(3):
            assert child.stdout.readline() == b"ready\n"
            child.send_signal(signal.SIGTERM)
        assert child.stdout.readline() == b"ended\n"
        assert child.wait(10) == 0
