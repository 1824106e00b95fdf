"""A process that makes training steps of one kind, one whenever it is asked to."""

from __future__ import annotations

import multiprocessing
import resource
import signal
import sys
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Literal

import torch

from unit_edge.config import RunConfig
from unit_edge.train.bench.released_way import released_step
from unit_edge.train.group import Group, pick_device
from unit_edge.train.speed import memory_format
from unit_edge.train.state import TrainingState

Way = Literal["ours", "detached", "released"]
COMPILE_LIMIT_S = 900.0
"""For a first step that compiles."""


@dataclass(frozen=True)
class Case:
    """A kind of step.

    Attributes:
        name: in the table.
        config: network, losses, crop, batch and switches; the images are noise.
        way: `Update`'s, or one of train/bench/released_way.py.
        device: "auto", "cpu" or "cuda".
        threads: of torch; None for its default.
    """

    name: str
    config: RunConfig
    way: Way = "ours"
    device: str = "auto"
    threads: int | None = None


class CaseError(Exception):
    """A case can't be measured; the message says why."""


class Stepper:
    """Makes steps in this process."""

    def __init__(self, case: Case) -> None:
        if case.threads:
            torch.set_num_threads(case.threads)
        device = pick_device(case.device)
        self.before_mib = resident_mib()
        self.way, self.step = case.way, 0
        self.state = TrainingState(case.config, Group(device))
        width, height = case.config.data.crop
        shape = case.config.optim.batch, 3, height, width
        layout = memory_format(case.config.speed)
        numbers = torch.Generator().manual_seed(0)
        self.images = [
            (torch.rand(shape, generator=numbers) * 2 - 1).to(device, memory_format=layout) for _ in range(2)
        ]

    def step_ms(self) -> float:
        """Makes a step; how long it took."""
        start = time.perf_counter()
        if self.way == "ours":
            self.state.update(self.images, self.step)
        else:
            released_step(self.state, self.images, self.step, detached=self.way == "detached")
        if self.images[0].is_cuda:
            torch.cuda.synchronize()
        self.step += 1
        return 1e3 * (time.perf_counter() - start)

    def peak_mib(self) -> float:
        """Peak memory of networks, optimisers and all steps so far.

        On CUDA what torch had allocated; on a CPU the process's peak resident memory less what was
        resident before the networks were made.
        """
        if self.images[0].is_cuda:
            return torch.cuda.max_memory_allocated() / 2**20
        return resident_mib(peak=True) - self.before_mib


def resident_mib(peak: bool = False) -> float:
    """Resident memory of this process: now, or its peak.

    Where there is no /proc, it is the peak in both cases.
    """
    status = Path("/proc/self/status")
    if status.exists():  # getrusage's peak on Linux begins with that of the process that started this one
        key = "VmHWM:" if peak else "VmRSS:"
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if key in line) / 2**10
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / (2**20 if sys.platform == "darwin" else 2**10)


class Worker:
    """A fresh process for one case, from this side of the pipe; a context manager."""

    def __init__(self, case: Case) -> None:
        self.case = case
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(case, theirs))
        self._process.start()
        theirs.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        self._pipe.close()  # which ends it, unless it is in a long step
        self._process.join(5 if kind is None else 0)
        self._process.terminate()
        self._process.join()

    def step_ms(self, limit_s: float) -> float:
        """Has a step made.

        Raises:
            CaseError: it failed, or took longer than the limit.
        """
        return self._ask("step", limit_s)

    def peak_mib(self) -> float:
        """Peak memory so far, see `Stepper.peak_mib`."""
        return self._ask("peak", 60)

    def _ask(self, question: str, limit_s: float) -> float:
        try:
            self._pipe.send(question)
            if not self._pipe.poll(limit_s):
                raise CaseError(f"took longer than {limit_s:.0f} s")
            answer: float | str = self._pipe.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            raise CaseError("its process died, perhaps for want of memory") from None
        if isinstance(answer, str):
            raise CaseError(answer)
        return answer


def _serve(case: Case, pipe: Connection) -> None:
    """Answers "step" and "peak" until the pipe closes; a str tells of a failure."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the other side stops this one
    try:
        stepper = Stepper(case)
        while True:
            question = pipe.recv()
            pipe.send(stepper.step_ms() if question == "step" else stepper.peak_mib())
    except (EOFError, BrokenPipeError):
        pass
    except Exception as error:
        pipe.recv()
        pipe.send(f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"[:200])
