"""The benchmark's model-only figures against the backends' own tools, on the same file, in turns.

OpenVINO: benchmark_app, the median of its synchronous calls. ONNX Runtime: a plain loop around its session,
and the `model_run` events of its profiler, which costs something itself; both in a session with our options.
`python docs/experiments/speed/bench_check.py day2night-edge-s --size 640x480`
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from unit_edge.interrupt import StopWish
from unit_edge.registry import resolve_model
from unit_edge.runtime.bench.process import BenchWorker
from unit_edge.runtime.bench.statistics import ratio_of_rounds

_SESSION = """
import json, sys, time, numpy as np, onnxruntime as ort
ort.disable_telemetry_events()
model, profiled, width, height, calls = sys.argv[1], sys.argv[2] == "profiler", *map(int, sys.argv[3:])
options = ort.SessionOptions()
options.enable_profiling = profiled
options.add_session_config_entry("session.intra_op.allow_spinning", "0")
session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
frames = np.random.default_rng(0).integers(0, 256, (1, height, width, 3), dtype=np.uint8)
times = []
for _ in range(calls):
    begin = time.perf_counter()
    session.run(None, {"frame": frames})
    times.append(1e3 * (time.perf_counter() - begin))
if profiled:
    with open(session.end_profiling()) as file:
        times = [event["dur"] / 1e3 for event in json.load(file) if event.get("name") == "model_run"]
print(json.dumps(times))
"""


def benchmark_app(model: Path, size: tuple[int, int], seconds: float) -> float:
    """Milliseconds of a call, the median that OpenVINO's own tool reports."""
    command = [str(Path(sys.executable).with_name("benchmark_app")), "-m", str(model), "-d", "CPU"]
    command += [
        "-api",
        "sync",
        "-hint",
        "latency",
        "-infer_precision",
        "f32",
        "-t",
        str(max(1, round(seconds))),
    ]
    command += ["-shape", f"[1,{size[1]},{size[0]},3]"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r"Median:\s+([\d.]+) ms", done.stdout)
    assert found, done.stdout
    return float(found[1])


def session(model: Path, size: tuple[int, int], calls: int, how: str) -> float:
    """Milliseconds of a call of ONNX Runtime by the "profiler" or a "loop"; the first few are left out."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", _SESSION, str(model.resolve()), how, *map(str, (*size, calls))]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder)
    times = json.loads(done.stdout)
    return median(times[len(times) // 5 :])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--size", default="640x480")
    parser.add_argument("--seconds", type=float, default=2, help="of each turn")
    parser.add_argument("--rounds", type=int, default=12)
    options = parser.parse_args()
    model = resolve_model(options.model)
    width, height = map(int, options.size.split("x"))
    size = width, height
    for backend, tool in (
        ("openvino", "benchmark_app"),
        ("onnxruntime", "loop"),
        ("onnxruntime", "profiler"),
    ):
        with BenchWorker(StopWish()) as worker:
            case = {"model": str(model), "backend": backend, "batch": 1, "size": size, "streams": 1}
            worker.ask("open", **case, threads=None, clip=None)
            worker.ask("warm_up", limit_s=5)
            ours, theirs = [], []
            for turn in range(options.rounds):
                for side in ("ours", tool) if turn % 2 else (tool, "ours"):
                    if side == "ours":
                        calls = worker.ask("calls", seconds=options.seconds, calls=None)
                        ours.append(1e3 * median(calls["latencies_s"]))
                    elif side == "benchmark_app":
                        theirs.append(benchmark_app(model, size, options.seconds))
                    else:
                        count = max(10, round(1e3 * options.seconds / ours[-1])) if ours else 20
                        theirs.append(session(model, size, count, side))
        ratio = ratio_of_rounds(ours, theirs)
        sure = f"95 %: {ratio.low:.3f} to {ratio.high:.3f}, {ratio.rounds} rounds"
        print(
            f"{backend}: ours {median(ours):.2f} ms, {tool} {median(theirs):.2f} ms, "
            f"ratio {ratio.median:.3f} ({sure}), load {os.getloadavg()[0]:.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
