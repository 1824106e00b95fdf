"""SIGKILL at random moments, again and again: what the same command makes of it afterwards.

    python docs/experiments/endurance/kills.py --kills 50 --seed 1

Tiny inputs for translate, train, adapt, export, bundle (export for a board) and bench. A round begins in an
empty folder: the command is killed once or twice, at any time of its run, then it is repeated, with --resume
where it has that, to its end. It must succeed, what it makes must be what an undisturbed run makes, no file
may have its final name before it is whole, and no process may be left. Commands run in forks of this process,
which has imported everything before, so that most of a run is work.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib
import json
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # sums in one order

import av
import numpy as np

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "tests" / part) for part in ("fuzz", "train/helpers", "helpers")]
_LOOK_UP_S = 0.005
_PATIENCE_S = 1200
_LEAVE_S = 10.0
_TWICE = 1 / 3

TRAINING = """
[optim]
steps = 10
batch = 2
ema = 0.9
[log]
print_every = 1
sample_every = 5
checkpoint_every = 3
tensorboard = false
"""

ADAPTATION = """
[optim]
steps = 10
batch = 4
ema = 0.9
[log]
print_every = 1
sample_every = 5
checkpoint_every = 3
evaluate_every = 5
tensorboard = false
"""


@dataclass(frozen=True)
class Command:
    """A command, how it is repeated after a kill, and what of its results must be as ever.

    Attributes:
        words: of the command line.
        again: what is tried after a kill, in this order, until one succeeds.
        result: what is compared, of the folder that it has run in.
        finals: files and folders that must be whole once they have their names, and what is compared of each.
    """

    words: tuple[str, ...]
    again: tuple[tuple[str, ...], ...]
    result: Callable[[Path], str]
    finals: dict[str, Callable[[Path], str]]


def digest(path: Path) -> str:
    """Of a file's content, or of all files in a folder and their names."""
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    found = hashlib.sha256()
    for inner in sorted(path.rglob("*")):
        if inner.is_file():
            found.update(f"{inner.relative_to(path)} {digest(inner)}\n".encode())
    return found.hexdigest()


def frames_of(path: Path) -> str:
    """Digest of a video's decoded frames and their times."""
    found = hashlib.sha256()
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            assert frame.pts is not None and frame.time_base is not None
            found.update(str(Fraction(frame.pts) * frame.time_base).encode())
            found.update(frame.to_ndarray(format="gray").tobytes())
    return found.hexdigest()


def rows_of(path: Path) -> str:
    """What a benchmark has measured, without how fast that was."""
    report = json.loads(path.read_text())
    return json.dumps([[row["model"], row["backend"], row["frame_size"]] for row in report["rows"]])


def lines_of(path: Path) -> str:
    return str(len(path.read_text().splitlines()))


def commands(good: Path) -> dict[str, Command]:
    """The commands, on the inputs in a folder."""
    import digit_sets
    import kept
    import tiny_training

    with av.open(str(good / "clip.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        scene = np.random.default_rng(0).integers(0, 255, (12, 16, 3)).astype(np.uint8)
        for index in range(1500):
            image = np.roll(scene.repeat(10, 0).repeat(10, 1), 2 * index, 1)
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    kept.model(good / "model.onnx")
    tiny_training.write_dark_and_bright(good, 8)
    digit_sets.make_data(good)
    (good / "t.toml").write_text(tiny_training.DARK_AND_BRIGHT + tiny_training.NETWORK_AND_DATA + TRAINING)
    (good / "a.toml").write_text(digit_sets.THIN_TO_THICK + ADAPTATION)
    data = ("--data", str(good))
    translate = ("translate", str(good / "clip.mp4"), "--model", str(good / "model.onnx"), "--crf", "0")
    translate += ("-o", "out.mp4", "-q", "--backend", "onnxruntime")
    train = ("train", str(good / "t.toml"), "--run", "run", *data)
    adapt = ("adapt", str(good / "a.toml"), "--run", "run", *data)
    on = ("--frames", str(good / "dark" / "0.png"))
    export = ("export", str(good / "run"), "--to", "bright", "-o", "out.onnx", *on)
    bundle = ("export", str(good / "run"), "--to", "bright", "--board", "raspberry-pi-5", "-o", "bundle")
    bundle += ("--precision", "fp32", "--no-wheels", *on)
    bench = ("bench", str(good / "model.onnx"), "--frames", "2", "--warm-up", "0", "--no-peak")
    bench += ("--size", "64x48,96x64", "-o", "results/")
    return {
        "translate": Command(
            translate, ((*translate, "--resume"),), lambda f: frames_of(f / "out.mp4"), {"out.mp4": frames_of}
        ),
        "train": Command(
            train,
            ((*train, "--resume"), train),
            lambda f: digest(f / "run" / "weights.safetensors"),
            {},
        ),
        "adapt": Command(
            adapt,
            ((*adapt, "--resume"), adapt),
            lambda f: digest(f / "run" / "weights.safetensors") + digest(f / "run" / "accuracy.json"),
            {},
        ),
        "export": Command(
            export,
            (export, (*export, "--overwrite")),
            lambda f: digest(f / "out.onnx") + digest(f / "out.json"),
            {"out.onnx": digest},
        ),
        "bundle": Command(
            bundle,
            (bundle, (*bundle, "--overwrite")),
            lambda f: digest(f / "bundle"),
            {"bundle": digest},
        ),
        "bench": Command(
            bench,
            (bench, (*bench, "--overwrite")),
            lambda f: rows_of(f / "results" / "bench.json"),
            {"results/bench.json": rows_of, "results/bench.csv": lines_of},
        ),
    }  # fmt: skip


def run(
    words: tuple[str, ...], folder: Path, kill_after_s: float | None = None, *, keep_modules: bool = False
) -> int | None:
    """The exit code of a command in a fork; None if it was killed before its end."""
    began = time.monotonic()
    process = os.fork()
    if process == 0:
        _become(words, folder, keep_modules)
    while time.monotonic() - began < _PATIENCE_S:
        if kill_after_s is not None and time.monotonic() - began >= kill_after_s:
            os.kill(process, signal.SIGKILL)
            _, status = os.waitpid(process, 0)
            return None if os.WIFSIGNALED(status) else os.waitstatus_to_exitcode(status)
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(_LOOK_UP_S)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    raise RuntimeError(f"more than {_PATIENCE_S} s: {words}")


def _become(words: tuple[str, ...], folder: Path, keep_modules: bool) -> None:
    """The child's part: never returns."""
    from unit_edge.cli.app import app

    code = 70
    try:
        os.environ[_OURS] = folder.name
        os.chdir(folder)
        said = os.open(folder.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(said, 1)
        os.dup2(said, 2)
        app(list(words))
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        if keep_modules:
            folder.with_suffix(".modules").write_text("\n".join(sys.modules))
        os._exit(code)


_RANDOM = re.compile("[0-9a-f]{8,}")
_OURS = "UNIT_EDGE_KILLS"


def left_alive(folder: Path) -> bool:
    """Whether a process that the command has started is still there after a while."""
    until = time.monotonic() + _LEAVE_S
    wanted = f"{_OURS}={folder.name}".encode()
    while True:
        alive = False
        for environment in Path("/proc").glob("[0-9]*/environ"):
            try:
                alive = alive or wanted in environment.read_bytes().split(b"\0")
            except OSError:
                continue
        if not alive or time.monotonic() > until:
            return alive
        time.sleep(0.1)


def once(
    command: Command, folder: Path, expected: str, finals: dict[str, str], limit_s: float, draw: random.Random
) -> tuple[int, list[str]]:
    """A round: how often it was killed, and what was wrong."""
    faults: list[str] = []
    kills = 0
    folder.mkdir()
    words = command.words
    for turn in range(2 if draw.random() < _TWICE else 1):
        code = run(words, folder, draw.uniform(0, limit_s))
        if code is None:
            kills += 1
        elif code and turn == 0:
            faults.append(f"exit code {code} before a kill")
        for name, compared in command.finals.items():
            if (folder / name).exists():
                try:
                    whole = compared(folder / name) == finals[name]
                except Exception as error:
                    whole = False
                    faults.append(f"{name} can't be read: {error}")
                if not whole:
                    faults.append(f"{name} isn't whole")
        words = command.again[0]
    if kills and left_alive(folder):
        faults.append("a process is left")
    codes = []
    for words in command.again:
        codes.append(run(words, folder))
        if codes[-1] == 0:
            break
    if codes[-1] != 0:
        faults.append(f"can't be repeated: exit codes {codes}")
    else:
        try:
            if command.result(folder) != expected:
                faults.append("another result")
        except OSError as error:
            faults.append(f"no result: {error}")
    return kills, faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50, help="of each command")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--commands", default="translate,train,adapt,export,bundle,bench")
    options = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    faults = 0
    with tempfile.TemporaryDirectory(prefix="unit-edge-kills-") as place:
        good = Path(place) / "good"
        good.mkdir()
        known = commands(good)
        code = run(known["train"].words, good)
        assert code == 0, (good.with_suffix(".log")).read_text()
        for name in options.commands.split(","):
            faults += _command(name, known[name], Path(place), options)
    return 1 if faults else 0


def _import_all(names: Path) -> None:
    """What an undisturbed run has imported, so that forks needn't."""
    for name in names.read_text().splitlines():
        with contextlib.suppress(Exception):
            importlib.import_module(name)


def _command(name: str, command: Command, place: Path, options: argparse.Namespace) -> int:
    folder = place / name
    folder.mkdir()
    code = run(command.words, folder, keep_modules=True)
    assert code == 0, folder.with_suffix(".log").read_text()
    _import_all(folder.with_suffix(".modules"))
    shutil.rmtree(folder)
    folder.mkdir()
    began = time.monotonic()
    code = run(command.words, folder)
    took_s = time.monotonic() - began
    assert code == 0, folder.with_suffix(".log").read_text()
    expected = command.result(folder)
    finals = {final: compared(folder / final) for final, compared in command.finals.items()}
    files = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    kills = rounds = 0
    found, left = Counter[str](), Counter[str]()
    began = time.monotonic()
    while kills < options.kills and rounds < 3 * options.kills:
        draw = random.Random(f"{options.seed} {name} {rounds}")
        work = place / f"{name}-{rounds}"
        killed, faults = once(command, work, expected, finals, took_s, draw)
        kills += killed
        for fault in faults:
            found[fault] += 1
            print(f"{name}, round {rounds}: {fault}\n{work.with_suffix('.log').read_text()}", flush=True)
        more = {path.relative_to(work) for path in work.rglob("*") if path.is_file()} - files
        left[", ".join(sorted(_RANDOM.sub("*", str(path)) for path in more)) or "none"] += 1
        shutil.rmtree(work)
        rounds += 1
    print(
        f"{name}: seed {options.seed}, {kills} kills in {rounds} rounds, {time.monotonic() - began:.0f} s "
        f"(undisturbed {took_s:.1f} s), {sum(found.values())} faults; more files than undisturbed: "
        f"{dict(left)}",
        flush=True,
    )
    return sum(found.values())


if __name__ == "__main__":
    sys.exit(main())
