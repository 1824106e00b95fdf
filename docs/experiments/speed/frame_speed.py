"""A frame's time against an older checkout, in turns: the model with its head, and a whole translation.

    git worktree add ../before 094dd6f
    python docs/experiments/speed/frame_speed.py --before ../before --clip CLIP --backends openvino:auto

Both sides run with this Python and its packages, each in a process of its own that loads unit_edge from its
checkout, with its own bundled model. They take turns of a few frames, so that a busy machine spoils both
alike; ratios are of turns that followed each other. `--clock cpu` counts the processor time of all threads of
a process, which other programs change little; `wall` is what passes. The last lines are of the head alone, in
OpenCV and with the passes over whole rows in OpenVINO, beside what OpenCV takes to scale a frame's values and
to enlarge two maps of three floats to its size.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

_CHILD = """
import json, sys
sys.meta_path[:] = [f for f in sys.meta_path if "editable" not in repr(f).lower()]
sys.path.insert(0, sys.argv[1])
sys.path.insert(1, sys.argv[2])
import frame_speed
frame_speed.serve(json.loads(sys.argv[3]))
"""
SIZES = ((640, 360), (1280, 720), (1920, 1080))


def serve(given: dict[str, Any]) -> None:
    """The child: does what the lines of stdin say, and answers in milliseconds a frame."""
    import numpy as np

    from unit_edge.registry import resolve_model
    from unit_edge.runtime.backends.open import open_runner
    from unit_edge.runtime.translate import translate

    clock = {"cpu": time.process_time, "wall": time.perf_counter}[given["clock"]]
    model = Path(given["model"]) if Path(given["model"]).is_file() else resolve_model(given["model"])
    rng = np.random.default_rng(0)
    small = {(w, h): rng.integers(0, 256, (1, h // 20, w // 20, 3), dtype=np.uint8) for w, h in SIZES}
    frames = {
        size: np.ascontiguousarray(np.kron(image, np.ones((1, 20, 20, 1), np.uint8)))
        for size, image in small.items()
    }
    with open_runner(model, given["backend"], threads=given["threads"]) as runner:
        # which was called an engine before
        print(json.dumps(getattr(runner, "backend", None) or runner.engine), flush=True)
        for line in sys.stdin:
            asked = json.loads(line)
            mark = clock()
            if "clip" in asked:
                with tempfile.TemporaryDirectory() as folder:
                    count = translate(Path(asked["clip"]), Path(folder) / "o.mp4", runner).frames
            else:
                count = asked["frames"]
                for _ in range(count):
                    runner.infer(frames[tuple(asked["size"])])
            print(json.dumps(1e3 * (clock() - mark) / count), flush=True)


class Side:
    """A child of one checkout."""

    def __init__(self, checkout: Path, folder: Path, given: dict[str, Any]) -> None:
        self._checkout = checkout
        tree = folder / "unit_edge"
        tree.mkdir(parents=True)
        parts = [
            *(checkout / "unit_edge").iterdir(),
            *(checkout / name for name in ("train", "export", "runtime")),
        ]
        for part in parts:
            (tree / part.name).symlink_to(part.resolve())
        command = [sys.executable, "-c", _CHILD, str(folder), str(Path(__file__).parent), json.dumps(given)]
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.backend = self._answer()

    def ask(self, **what: Any) -> float:
        assert self._child.stdin is not None
        print(json.dumps(what), file=self._child.stdin, flush=True)
        return float(self._answer())

    def end(self) -> None:
        assert self._child.stdin is not None
        self._child.stdin.close()
        self._child.wait()

    def _answer(self) -> Any:
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        if not line:
            sys.exit(f"the process of {self._checkout} ended with {self._child.wait()}; it says why above")
        return json.loads(line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, required=True, help="the older checkout")
    parser.add_argument("--model", default="day2night-edge-s", help="of both sides")
    parser.add_argument("--after-model", help="another one of this side")
    parser.add_argument(
        "--backends", default="onnxruntime,openvino", help="BEFORE:AFTER is another one on this side"
    )
    parser.add_argument("--threads", type=int)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--frames", type=int, default=3, help="of a turn")
    parser.add_argument("--clock", choices=("cpu", "wall"), default="wall")
    parser.add_argument("--clip", type=Path, help="translated whole, in a third of the rounds")
    options = parser.parse_args()
    here = Path(__file__).resolve().parents[3]
    print(f"{options.clock} clock, {options.threads or 'all'} threads, load {os.getloadavg()[0]:.1f}")
    for asked in options.backends.split(","):
        backends = asked.split(":")[0], asked.split(":")[-1]
        with tempfile.TemporaryDirectory() as folder:
            given = {"threads": options.threads, "clock": options.clock}
            models = options.model, options.after_model or options.model
            sides = [
                Side(checkout, Path(folder) / name, {**given, "model": model, "backend": backend})
                for checkout, name, model, backend in zip(
                    (options.before, here), ("before", "after"), models, backends, strict=True
                )
            ]
            print(f"{models[1]}, {sides[0].backend} → {sides[1].backend}")
            for size in SIZES:
                compare("{}x{}".format(*size), sides, options.rounds, size=size, frames=options.frames)
            if options.clip:
                compare("translate", sides, max(2, options.rounds // 3), clip=str(options.clip.resolve()))
            for side in sides:
                side.end()
    head(options.clock, options.threads or 1)


def compare(name: str, sides: list[Side], rounds: int, **what: Any) -> None:
    """Lets both sides take turns, the first of which warms up."""
    turns = [[side.ask(**what) for side in sides] for _ in range(rounds + 1)][1:]
    before, after = (median(turn[index] for turn in turns) for index in (0, 1))
    ratios = sorted(turn[0] / turn[1] for turn in turns)
    low, high = ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]
    print(
        f"  {name:10} {before:7.1f} → {after:6.1f} ms a frame, {median(ratios):.2f} times as fast "
        f"(quartiles {low:.2f} to {high:.2f}, {rounds} rounds)",
        flush=True,
    )


def head(clock_name: str, threads: int) -> None:
    """The head of this checkout alone, beside OpenCV's work."""
    import cv2
    import numpy as np

    from unit_edge.manifests.model import Manifest
    from unit_edge.registry import resolve_model
    from unit_edge.runtime.backends.guided import GuidedFrames
    from unit_edge.runtime.backends.memory import keep_freed_memory
    from unit_edge.runtime.backends.openvino.rows import RowPasses, ov

    keep_freed_memory()
    cv2.setNumThreads(threads)
    clock = {"cpu": time.process_time, "wall": time.perf_counter}[clock_name]
    guided = GuidedFrames(Manifest.read(resolve_model("day2night-edge-s").with_suffix(".json")), threads)

    def least(work: Callable[[], object]) -> float:
        spent = []
        for _ in range(30):
            mark = clock()
            work()
            spent.append(1e3 * (clock() - mark))
        return median(spent)

    for width, height in SIZES:
        frame = cv2.resize(
            np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8), (width, height)
        )
        small = guided.shrink(frame)
        out, maps = np.empty_like(frame), [np.empty(frame.shape, np.float32) for _ in range(2)]

        def opencv(frame: Any = frame, small: Any = small, out: Any = out, maps: Any = maps) -> None:
            cv2.convertScaleAbs(frame, out, 1.1, 3)
            for enlarged in maps:
                cv2.resize(small, (frame.shape[1], frame.shape[0]), enlarged)

        settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
        passes = RowPasses(ov.Core(), (height, width), small.shape[:2], settings).frame_rows()
        theirs = least(opencv)
        for name, rows in (("OpenCV", None), ("OpenVINO", passes)):
            ours = (
                least(lambda frame=frame, rows=rows: guided.shrink(frame, rows=rows)),
                least(
                    lambda frame=frame, small=small, out=out, rows=rows: guided.apply(
                        frame, small, small, out, rows=rows
                    )
                ),
            )
            print(
                f"head at {width}x{height}, rows by {name}: shrinking {ours[0]:.1f} + fit and application "
                f"{ours[1]:.1f} ms; OpenCV's scaling and two enlargements {theirs:.1f} ms",
                flush=True,
            )
    guided.close()


if __name__ == "__main__":
    main()
