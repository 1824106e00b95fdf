"""A process whose main thread hangs in a library still ends when the user insists."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

HANGS = """
import hashlib
from unit_edge.interrupt import ending_what_hangs, watch_signals
with {context}:
    print("hangs", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)
"""
WAITS_BEHIND = """
import threading, time
from unit_edge.interrupt import ending_what_hangs, watch_signals
with ending_what_hangs(60):
    try:
        with watch_signals(60):
            print("works", flush=True)
            time.sleep(100)
    finally:
        print("waits", flush=True)
        time.sleep(100)
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


@pytest.mark.parametrize(
    ("context", "number", "signals"),
    [
        ("watch_signals()", signal.SIGINT, 3),
        ("watch_signals()", signal.SIGTERM, 3),
        ("watch_signals(0.5)", signal.SIGINT, 2),
        ("watch_signals(0.5)", signal.SIGTERM, 2),
        ("ending_what_hangs(0.5)", signal.SIGINT, 2),
        ("ending_what_hangs(60), watch_signals(0.5)", signal.SIGINT, 2),
    ],
)
def test_signals_end_what_hangs(context: str, number: signal.Signals, signals: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HANGS.format(context=context)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
    ) as child:
        try:
            assert child.stdout is not None and child.stderr is not None
            assert child.stdout.readline() == b"hangs\n"
            for _ in range(signals):
                time.sleep(0.3)  # the first is to find it in the library, not on its way there
                child.send_signal(number)
            assert child.wait(60) == 128 + number
            assert child.stderr.read() == b"stopped: the backend doesn't answer\n"
        finally:
            child.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_order_ends_what_waits_for_the_backend_behind_the_run(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WAITS_BEHIND],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
    ) as child:
        try:
            assert child.stdout is not None and child.stderr is not None
            assert child.stdout.readline() == b"works\n"
            for _ in range(3):
                time.sleep(0.3)
                child.send_signal(number)
            assert child.stdout.readline() == b"waits\n"
            assert child.wait(60) == 128 + number
            assert child.stderr.read() == b"stopped: the backend doesn't answer\n"
        finally:
            child.kill()


def test_wishes_that_are_granted_end_nothing_else() -> None:
    with subprocess.Popen([sys.executable, "-c", ANSWERS], stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout is not None
            for _ in range(3):
                assert child.stdout.readline() == b"ready\n"
                child.send_signal(signal.SIGTERM)
            assert child.stdout.readline() == b"ended\n"
            assert child.wait(10) == 0
        finally:
            child.kill()
