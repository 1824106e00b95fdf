"""One backend on one frame, again and again, in a process of its own: the part of trial.py that may crash.

`python -m unit_edge.runtime.backends.trial_worker MODEL BACKEND`
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unit_edge.runtime.backends.open import open_runner

_SIZE = (1280, 720)
_CALLS_S = 0.5


def _scene() -> NDArray[np.uint8]:
    """Soft colours and edges, uint8[1,H,W,3]."""
    width, height = _SIZE
    y, x = np.mgrid[:height, :width].astype(np.float32)
    planes = [
        128 + 90 * np.sin(x / 61 + k) * np.cos(y / 43 - k) + 30 * ((x // 80 + y // 60) % 2) for k in range(3)
    ]
    return np.stack(planes, -1).clip(0, 255).astype(np.uint8)[None]


def main() -> None:
    """Runs a backend on a frame again and again; prints its time and a sixteenth of its pixels."""
    frame = _scene()
    with open_runner(Path(sys.argv[1]), sys.argv[2]) as runner:
        translated, times = runner.infer(frame), list[float]()
        end = time.perf_counter() + _CALLS_S
        while len(times) < 3 or time.perf_counter() < end:
            mark = time.perf_counter()
            runner.infer(frame)
            times.append(time.perf_counter() - mark)
    result = {"ms": 1e3 * float(np.median(times)), "frame": translated[0, ::4, ::4].tobytes().hex()}
    print(json.dumps(result), flush=True)
    os._exit(0)  # what threads of backends do at the end is nobody's business here


if __name__ == "__main__":
    main()
