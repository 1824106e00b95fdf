"""OpenVINO as it is loaded: its first arrays may come from several threads at once."""

from __future__ import annotations

import subprocess
import sys

import pytest

FIRST_ARRAYS = """
import os, sys, threading
from unit_edge.runtime.backends.openvino.module import load_openvino

openvino = load_openvino()
sys.setswitchinterval(1e-6)
together = threading.Barrier(4)

def first():
    together.wait()
    openvino.Type.u8.to_dtype()

threads = [threading.Thread(target=first, daemon=True) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join(8)
os._exit(any(thread.is_alive() for thread in threads))
"""


def test_threads_that_come_first_do_not_wait_for_each_other() -> None:
    """Its bindings' own look-up of numpy would: eleven of twelve such processes hung."""
    pytest.importorskip("openvino")
    assert subprocess.run([sys.executable, "-c", FIRST_ARRAYS], timeout=60).returncode == 0
