"""`make fuzz`: hostile inputs of every kind, in children with limits of time and memory; prints its seed.

A failure is a traceback, a crash, more than 10 s (those in which others had the processor don't count), more
than 2 GB, an exit code or output that isn't meant, a file left half done, a control character for the
terminal, or a secret that is shown. Its input is kept.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import queue
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import kept
import mutators
from kinds import KINDS

from unit_edge.runtime.sinks.video.parts import ROUNDED_S
from unit_edge.text.printable import printable

HANG_S = 10
MEMORY_BYTES = 2 * 10**9
_INPUTS_A_CHILD = 2000
_LOOK_UP_S = 0.1
_TOLD_EVERY = 1000


class Child:
    """A process that runs commands, until one of them takes too long or too much."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("worker.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.left = _INPUTS_A_CHILD

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def ask(self, order: list[str]) -> dict[str, Any] | str:
        """The answer, or what became of the child."""
        self.left -= 1
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        began, waited = time.monotonic(), self._waited_s()
        while (took := time.monotonic() - began) < HANG_S or took - self._waiting_since(waited) < HANG_S:
            try:
                line = self._lines.get(timeout=_LOOK_UP_S)
            except queue.Empty:
                if self._resident() > MEMORY_BYTES:
                    return self._end("memory")
                continue
            if not line:
                return self._end("crash")
            answer: dict[str, Any] = json.loads(line)
            return answer
        return self._end("hang")

    def _resident(self) -> int:
        try:
            pages = Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]
        except (OSError, IndexError):
            return 0
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def _waited_s(self) -> dict[str, float]:
        """By thread, how long it has waited for a processor that others had."""
        waited = {}
        for path in Path(f"/proc/{self._process.pid}/task").glob("*/schedstat"):
            with contextlib.suppress(OSError, IndexError):
                waited[path.parent.name] = int(path.read_text().split()[1]) / 1e9
        return waited

    def _waiting_since(self, before: dict[str, float]) -> float:
        now = self._waited_s()
        return max((waited - before.get(thread, 0) for thread, waited in now.items()), default=0)

    def _end(self, why: str) -> str:
        self.close()
        return why

    def close(self) -> None:
        self.left = 0
        self._process.kill()
        self._process.wait()


def wrong(order: list[str], answer: dict[str, Any] | str, work: Path) -> str:
    """What is wrong with an answer; "" if nothing is."""
    if isinstance(answer, str):
        return answer
    if answer["trace"]:
        return "traceback: " + answer["trace"].strip().splitlines()[-1][:150]
    said = str(answer["said"])
    if answer["code"] not in (0, 1, *((3,) if "--compare" in order else ())):
        return f"exit code {answer['code']}"
    if answer["code"] == 1 and not any(line.startswith("error: ") for line in said.splitlines()):
        return "exit code 1 without a word"
    if printable(said) != said:
        return "control characters"
    if order[0] in ("@address", "@list") and mutators.SECRET in said:
        return "a secret is shown"
    return _half_done(order, answer["code"], work)


def _half_done(order: list[str], code: int, work: Path) -> str:
    if "-o" not in order:
        return ""
    output = Path(order[order.index("-o") + 1])
    if [path for path in work.iterdir() if path.name.endswith(".tmp")]:
        return "a temporary file is left"
    if code == 0 and not output.exists():
        return "exit code 0 without an output"
    if output.suffix == ".mp4" and output.exists():
        try:
            with av.open(str(output)) as container:
                if not sum(1 for _ in container.decode(video=0)):
                    return "an output without a frame"
        except av.FFmpegError:
            return "an output that can't be read"
    if (
        code == 0
        and "--resume" in order
        and output.suffix == ".mp4"
        and not _same_times(output, Path(order[1]))
    ):
        return "other times than the source's"
    return ""


def _same_times(output: Path, source: Path) -> bool:
    """Whether each frame is there, at its time but for what a file that has milliseconds rounds."""
    ours, theirs = _times(output), _times(source)
    return len(ours) == len(theirs) and all(
        abs(one - other) <= ROUNDED_S for one, other in zip(ours, theirs, strict=True)
    )


def _times(path: Path) -> list[Fraction]:
    with av.open(str(path)) as container:
        return [Fraction(frame.pts or 0) * (frame.time_base or 0) for frame in container.decode(video=0)]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no input after that")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--keep", type=Path, default=Path("runs/fuzz"))
    options = parser.parse_args()
    began, failures, done = time.monotonic(), Counter[str](), Counter[str]()
    child: Child | None = None
    with tempfile.TemporaryDirectory(prefix="unit-edge-fuzz-") as folder:
        good = Path(folder) / "good"
        good.mkdir()
        kept.make(good)
        names = options.kinds.split(",")
        for number in range(options.inputs):
            if time.monotonic() - began > options.seconds:
                break
            name = names[number % len(names)]
            if number and number % _TOLD_EVERY == 0:
                print(f"{number} inputs, {sum(failures.values())} failures", flush=True)
            work = Path(folder) / "work"
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir()
            draw = random.Random(f"{options.seed} {number}")
            done[name] += 1
            for order in KINDS[name](good, work, draw):
                if child is None or not child.left:
                    if child is not None:
                        child.close()
                    child = Child()
                    child.ask(["--version"])
                fault = wrong(order, child.ask(order), work)
                if fault:
                    failures[f"{name}: {fault}"] += 1
                    place = options.keep / f"{options.seed}-{number}"
                    shutil.copytree(work, place, dirs_exist_ok=True)
                    (place / "fault.txt").write_text(f"{fault}\n{order}\n")
                    print(f"{name} {number}: {fault}", flush=True)
                    break
        if child is not None:
            child.close()
    seconds = time.monotonic() - began
    counts = ", ".join(f"{count} {name}" for name, count in done.items())
    total = f"{sum(done.values())} inputs in {seconds:.0f} s ({counts})"
    print(f"seed {options.seed}: {total}, {sum(failures.values())} failures")
    for fault, count in failures.most_common():
        print(f"{count:5} {fault}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
