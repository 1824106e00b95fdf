"""How long a frame takes with each bundled model: processor time on one thread, the models in turns.

    python docs/experiments/speed/turns.py demo/bikes.mp4

Other programs on the machine hardly spoil such figures, nor their ratios. On a core that does nothing else
they are the frames a second that one thread makes. The README's table has them.
"""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

import numpy as np

from unit_edge.registry import bundled_models
from unit_edge.runtime import open_runner
from unit_edge.runtime.sources.video import FileSource

_FRAMES, _ROUNDS = 8, 24


def main() -> None:
    """Prints a line for each model."""
    with FileSource(Path(sys.argv[1])) as source:
        frames = [frame.image[None] for frame in islice(source, _FRAMES)]
    height, width = frames[0].shape[1:3]
    with ExitStack() as stack:
        runners = {
            manifest.name: stack.enter_context(open_runner(path, "onnxruntime", threads=1))
            for path, manifest in bundled_models()
        }
        times_ms: dict[str, list[float]] = {name: [] for name in runners}
        for number in range(-2, _ROUNDS):
            for name, runner in runners.items():
                mark = time.process_time()
                runner.infer(frames[number % _FRAMES])
                if number >= 0:
                    times_ms[name].append(1e3 * (time.process_time() - mark))
    print(f"{width}x{height}, onnxruntime, fp32, one thread, {_ROUNDS} frames each")
    for name, spent in times_ms.items():
        low, middle, high = np.percentile(spent, [25, 50, 75])
        print(f"{name:20}{middle:6.1f} ms ({low:.1f} to {high:.1f}), {1e3 / middle:.0f} FPS")


if __name__ == "__main__":
    main()
