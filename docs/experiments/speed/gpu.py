"""What to do with an hour of an NVIDIA GPU, in pieces: `make gpu MINUTES=9`.

`python docs/experiments/speed/gpu.py --minutes 9 --data DATA --out runs/gpu` trains, then tests and measures.
A piece ends in time: a training saves a checkpoint and goes on in the next piece, what else was cut is
tried again. Call it until it says that all is done. Everything is in the folder: a log a step, runs, figures,
state.json with how each step ended, machine.json with what it ran on. Nothing is fetched.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
LEAVE_S = 20
"""Seconds that a step gets to save what it has before it is killed."""
TRIES = 3
"""A step that is cut so often, or fails once, is not tried again."""
SIZES = "640x480,1280x720,1920x1080"
CONFIGS = ("train/configs/bdd-night-day-m.toml", "train/configs/bdd-day-night-gpu.toml")
BUNDLED = "day2night-edge-s,clear2snow-edge-s"


@dataclass(frozen=True)
class Step:
    """One command of the plan.

    Attributes:
        name: of its log, and its key in state.json.
        command: its words.
        training: gets the first share of a piece, and goes on in the next one.
        again: its words when it was begun in an earlier piece.
    """

    name: str
    command: Sequence[str]
    training: bool = False
    again: Sequence[str] = ()


@dataclass
class Outcome:
    """How a step stands: "cut", "done" or "failed", its exit codes and the seconds that it took so far."""

    status: str = "new"
    codes: list[int] = field(default_factory=list)
    seconds: float = 0.0


def plan(out: Path, data: Path, configs: Sequence[str]) -> list[Step]:
    """All steps: trainings, the GPU's tests, back ends at three sizes, big presets, the training step."""
    python = sys.executable
    cli = [python, "-m", "unit_edge.cli"]
    steps = []
    for config in configs:
        run = out / Path(config).stem
        start = [*cli, "train", config, "--data", str(data), "--run", str(run), "--device", "cuda"]
        again = [*cli, "train", "--data", str(data), "--run", str(run), "--device", "cuda", "--resume"]
        steps.append(Step(f"train-{Path(config).stem}", start, training=True, again=again))
    steps.append(Step("tests", [python, "-m", "pytest", "-m", "gpu", "-v", "-p", "no:cacheprovider"]))
    for model in BUNDLED.split(","):
        for size in SIZES.split(","):
            results = str(out / "bench" / f"{model}-{size}")
            bench = [*cli, "bench", model, "--backend", "all", "--size", size, "-y", "-o", results]
            steps.append(Step(f"bench-{model}-{size}", bench))
    for preset in ("edge-m", "released", "paper"):
        file = out / "untrained" / f"{preset}.onnx"
        make = [
            python,
            "-m",
            "unit_edge.export.untrained",
            preset,
            "--size",
            "640x480",
            "-o",
            str(file.parent),
        ]
        results = str(out / "bench" / preset)
        bench = [*cli, "bench", str(file), "--backend", "all", "--batch", "1", "-y", "-o", results]
        steps += [Step(f"untrained-{preset}", make), Step(f"bench-{preset}", bench)]
    steps.append(Step("bench-train", [python, "-m", "unit_edge.train.bench.steps", "--device", "cuda"]))
    return steps


def run_piece(steps: Sequence[Step], out: Path, seconds: float, training_share: float) -> bool:
    """Runs what is not finished until the time is up; whether all is finished.

    Args:
        steps: the plan.
        out: the folder of logs and of state.json.
        seconds: of this piece.
        training_share: of them, that trainings get first; the rest of the steps may use what they leave.
    """
    end = time.monotonic() + seconds
    state = _load(out)
    for training in (True, False):
        until = end - (1 - training_share) * seconds if training else end
        if training and all(_finished(state, step) for step in steps if not step.training):
            until = end
        for step in steps:
            left = until - time.monotonic()
            if step.training is not training or _finished(state, step) or left < 2 * LEAVE_S:
                continue
            _run(step, state, out, left - LEAVE_S)
    return all(_finished(state, step) for step in steps)


def _finished(state: dict[str, Outcome], step: Step) -> bool:
    outcome = state.get(step.name, Outcome())
    given_up = not step.training and len(outcome.codes) >= TRIES
    return outcome.status in ("done", "failed") or given_up


def _run(step: Step, state: dict[str, Outcome], out: Path, seconds: float) -> None:
    outcome = state.setdefault(step.name, Outcome())
    command = step.again if outcome.codes and step.again else step.command
    print(f"{step.name}: {' '.join(command)}", flush=True)
    start = time.monotonic()
    with (out / f"{step.name}.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT, start_new_session=True)
        try:
            code, cut = process.wait(seconds), False
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGTERM)
            cut = True
            try:
                code = process.wait(LEAVE_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                code = process.wait()
    outcome.codes.append(code)
    outcome.seconds += time.monotonic() - start
    outcome.status = "done" if code == 0 else "cut" if cut else "failed"
    print(f"{step.name}: {outcome.status}, exit code {code}, {outcome.seconds:.0f} s so far", flush=True)
    _store(out, state)


def _load(out: Path) -> dict[str, Outcome]:
    try:
        return {n: Outcome(**o) for n, o in json.loads((out / "state.json").read_text("utf-8")).items()}
    except FileNotFoundError:
        return {}


def _store(out: Path, state: dict[str, Outcome]) -> None:
    temporary = out / ".state.json.part"
    temporary.write_text(json.dumps({n: asdict(o) for n, o in state.items()}, indent=2), "utf-8")
    temporary.replace(out / "state.json")


def describe_machine() -> dict[str, str]:
    """The GPU, driver, versions and commit."""
    commands = {
        "gpu": ["nvidia-smi", "--query-gpu=name,driver_version,memory.total,power.limit", "--format=csv"],
        "doctor": [sys.executable, "-m", "unit_edge.cli", "doctor"],
        "packages": [sys.executable, "-m", "pip", "freeze"],
        "commit": ["git", "rev-parse", "HEAD"],
    }
    found = {}
    for name, command in commands.items():
        if shutil.which(command[0]):
            done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)
            found[name] = done.stdout.strip()
    return found


def main() -> int:
    """The command line; exit code 0 when all is done, 3 when another piece is needed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=9.0, help="of this piece")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("UNIT_EDGE_DATA", "data")))
    parser.add_argument("--out", type=Path, default=Path("runs/gpu"))
    parser.add_argument(
        "--training-share", type=float, default=0.6, help="of a piece, that trainings get first"
    )
    parser.add_argument("--configs", nargs="+", default=CONFIGS)
    arguments = parser.parse_args()
    out = arguments.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    if not (out / "machine.json").exists():
        (out / "machine.json").write_text(json.dumps(describe_machine(), indent=2), "utf-8")
    steps = plan(out, arguments.data.resolve(), arguments.configs)
    done = run_piece(steps, out, 60 * arguments.minutes, arguments.training_share)
    print("all done" if done else "not done: call it again", flush=True)
    return 0 if done else 3


if __name__ == "__main__":
    sys.exit(main())
