"""A process that makes training steps of one kind, one whenever it is asked to."""

from __future__ import annotations

import os
import resource
import sys
import time
from dataclasses import dataclass
from typing import Any, Literal

import torch

from unit_edge.config import RunConfig, as_dict
from unit_edge.machine.child import Child, serve
from unit_edge.machine.system import resident_bytes
from unit_edge.settings import from_saved
from unit_edge.train.bench.released_way import released_step
from unit_edge.train.group import Group, pick_device
from unit_edge.train.speed import memory_format
from unit_edge.train.state import TrainingState

Way = Literal["ours", "detached", "released"]
COMPILE_LIMIT_S = 900.0
"""For a first step that compiles."""


@dataclass(frozen=True)
class StepCase:
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


class Stepper:
    """Makes steps in this process."""

    def __init__(self, case: StepCase) -> None:
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
    held = resident_bytes(os.getpid())
    if held:  # getrusage's peak on Linux begins with that of the process that started this one
        return held[peak] / 2**20
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / (2**20 if sys.platform == "darwin" else 2**10)


class StepWorker(Child):
    """A fresh process for one case, from the parent's side; a context manager."""

    def __init__(self, case: StepCase) -> None:
        super().__init__(__name__)
        self.case = case

    def __enter__(self) -> StepWorker:
        super().__enter__()
        self._open = False
        return self

    def step_ms(self, limit_s: float) -> float:
        """Has a step made.

        Raises:
            ChildFailed: it failed, or took longer than the limit.
        """
        return self._ask("step", limit_s)

    def peak_mib(self) -> float:
        """Peak memory so far, see `Stepper.peak_mib`."""
        return self._ask("peak", 60)

    def _ask(self, question: str, limit_s: float) -> float:
        if not self._open:
            case = {"name": self.case.name, "config": as_dict(self.case.config), "way": self.case.way}
            self.ask("open", limit_s=limit_s, **case, device=self.case.device, threads=self.case.threads)
            self._open = True
        return float(self.ask(question, limit_s=limit_s)["value"])


def main() -> None:
    """The process: opens a case, then answers "step" and "peak"."""
    opened: list[Stepper] = []

    def carry_out(order: str, **values: Any) -> dict[str, Any]:
        if order == "open":
            opened.append(Stepper(StepCase(**{**values, "config": from_saved(values["config"])})))
            return {}
        stepper = opened[0]
        return {"value": stepper.step_ms() if order == "step" else stepper.peak_mib()}

    serve(carry_out)
