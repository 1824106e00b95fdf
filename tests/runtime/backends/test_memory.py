"""Memory that comes and goes with every frame."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
import numpy as np
from unit_edge.registry import resolve_model
from unit_edge.runtime.backends.open import open_runner

frame = np.zeros((1, 360, 640, 3), np.uint8)
with open_runner(resolve_model("day2night-edge-s"), sys.argv[1], threads=1) as runner:
    for frames in (5, 10):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(frames):
            runner.infer(frame)
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / frames)
"""


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of glibc")
def test_a_frame_gets_the_memory_of_the_one_before(backend: str) -> None:
    """Each page that the system maps anew is one of these faults: a thousand a frame make 1 to 3 ms."""
    pytest.importorskip(backend)
    code = [sys.executable, "-P", "-c", FAULTS, backend]
    done = subprocess.run(code, capture_output=True, text=True, check=True)
    assert float(done.stdout) < 100
