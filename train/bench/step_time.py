"""How long a run would take on this machine, from a few of its own steps on its own pictures."""

from __future__ import annotations

import dataclasses
import time
from contextlib import redirect_stderr
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path

import numpy as np
import torch

from unit_edge.config import RunConfig
from unit_edge.errors import ConfigError
from unit_edge.machine.system import memory_gb
from unit_edge.train.bench.dry_run import Cost, estimate
from unit_edge.train.fit import load_domains, loader
from unit_edge.train.group import Group, pick_device
from unit_edge.train.state import TrainingState

_STEPS = 3
_MACS_AT_MOST = {"cpu": 40e9, "cuda": 4e12}
"""Of a step that is made to be timed; one of more is timed on smaller crops."""
_OWN_SHARE = 0.7
"""Of the time, below which other programs are named: a step's own threads wait for each other too."""


@dataclass(frozen=True)
class StepTime:
    """How long training steps took.

    Attributes:
        step_s: a step of the run, a mean where not every step has all terms.
        warm_up_s: a step of the warm-up; 0 without.
        scaled_from: width and height of the crop that was timed, if it is smaller than the run's.
        device: "cpu", or the GPU's name.
        threads: of torch, on a CPU.
        own_share: of that time, in which the processor worked for this program; 1 on a GPU.
    """

    step_s: float
    warm_up_s: float
    scaled_from: tuple[int, int] | None
    device: str
    threads: int
    own_share: float = 1.0

    def total_s(self, config: RunConfig) -> float:
        """Seconds of all steps; scores, samples and checkpoints come on top, some in a hundred as a rule."""
        return self.step_s * config.optim.steps + self.warm_up_s * config.optim.warmup_steps

    def summary(self, config: RunConfig) -> str:
        """ "about 1 h 50 min here: 9500 steps of 0.66 s (measured, cpu, 2 threads)"."""
        how = f"measured, {self.device}" + (f", {self.threads} threads" if self.threads > 1 else "")
        if self.scaled_from:
            how += ", from crops of {}x{} by multiply-accumulates".format(*self.scaled_from)
        if self.own_share < _OWN_SHARE:
            alone = duration_text(self.own_share * self.total_s(config))
            others = f"{100 * (1 - self.own_share):.0f} %"
            how += f"; other programs had the processor for {others} of that, so about {alone} without them"
        warm_up = config.optim.warmup_steps
        before = f"{warm_up} of {seconds_text(self.warm_up_s)} to warm up, " if warm_up else ""
        return (
            f"about {duration_text(self.total_s(config))} here: {before}{config.optim.steps} steps of "
            f"{seconds_text(self.step_s)} ({how})"
        )


def measure_steps(config: RunConfig, root: Path, device: str, cost: Cost | None = None) -> StepTime:
    """Makes some steps of a run and keeps nothing of them.

    Args:
        config: of the run; it is timed without compiling.
        root: what the domains' paths are relative to.
        device: "auto", "cpu" or "cuda".
        cost: of a step, as `estimate` gives it; a step that is too large for this machine is then refused or
            timed on smaller crops. None if it is known to be small.

    Raises:
        ConfigError: a step needs more memory than the machine has, or there is no such device.
        DataError: as training would raise it.
    """
    group = Group(pick_device(device))
    kind = group.device.type
    timed = replace(config, speed=replace(config.speed, compile=False), data=replace(config.data, workers=0))
    shrunk, factor = timed, 1.0
    if cost is not None:
        _refuse_without_memory(cost, group.device)
        shrunk = _shrunk(timed, _MACS_AT_MOST[kind] / max(1, cost.step_macs))
        factor = cost.step_macs / estimate(shrunk).step_macs if shrunk is not timed else 1.0
    with redirect_stderr(StringIO()):  # what the loader says of single pictures, a survey says of all
        step_s, warm_up_s, own_share = _seconds(shrunk, root, group)
    return StepTime(
        step_s=factor * step_s,
        warm_up_s=factor * warm_up_s,
        scaled_from=shrunk.data.crop if shrunk is not timed else None,
        device=torch.cuda.get_device_name(group.device) if kind == "cuda" else "cpu",
        threads=torch.get_num_threads() if kind == "cpu" else 1,
        own_share=own_share if kind == "cpu" else 1.0,
    )


def _seconds(shrunk: RunConfig, root: Path, group: Group) -> tuple[float, float, float]:
    """Of a step and of one of the warm-up; and the share of the former in which this thread was at work."""
    domains, _ = load_domains(shrunk, root)
    period = shrunk.loss.vae_every
    first = -(-shrunk.loss.adversaries_from // period) * period
    counted = max(_STEPS, period)
    counted = -(-counted // period) * period
    state = TrainingState(shrunk, group)
    warm_up_s = []
    batches = loader(domains, shrunk, group, 0, 2 + 1 + counted)
    if state.warm_up is not None:
        for _ in range(2):
            begin = time.perf_counter()
            state.warm_up.advance(next(batches))
            warm_up_s.append(time.perf_counter() - begin)
    spent, worked = [], []
    for step in range(1 + counted):
        begin, begin_work = time.perf_counter(), time.thread_time()
        state.update(next(batches), first + max(0, step - 1))
        if group.device.type == "cuda":
            torch.cuda.synchronize()
        spent.append(time.perf_counter() - begin)
        worked.append(time.thread_time() - begin_work)
    timed_s = float(np.mean(spent[1:])) if period > 1 else float(np.median(spent[1:]))
    return timed_s, min(warm_up_s, default=0.0), min(1.0, sum(worked[1:]) / sum(spent[1:]))


def _refuse_without_memory(cost: Cost, device: torch.device) -> None:
    have = (
        memory_gb() if device.type == "cpu" else torch.cuda.get_device_properties(device).total_memory / 1e9
    )
    if have is not None and cost.memory_mib * 2**20 / 1e9 > have:
        raise ConfigError(
            f"a step needs about {cost.memory_mib / 1024:.0f} GiB and there are {have / 1.074:.0f}: lower "
            "data.crop or optim.batch, raise speed.accumulate, or set speed.checkpointing = true"
        )


def _shrunk(config: RunConfig, share: float) -> RunConfig:
    """The same run on crops of a share of the pixels, as far as its discriminators let them shrink."""
    if share >= 1:
        return config
    data = config.data
    scale = max(share**0.5, 32 / min(data.crop))
    while scale < 1:
        crop = tuple(max(8, round(side * scale / 16) * 16) for side in data.crop)
        sides = tuple(max(1, round(side * scale)) for side in data.short_side)
        try:
            smaller = dataclasses.replace(data, crop=crop, short_side=sides)
            return replace(config, data=smaller)
        except ConfigError:  # too small for them
            scale *= 1.25
    return config


def duration_text(seconds: float) -> str:
    """ "40 s", "25 min", "1 h 50 min", "3 days"."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    if minutes < 48 * 60:
        rest = minutes % 60 // 5 * 5
        return f"{minutes // 60} h" + (f" {rest} min" if rest else "")
    return f"{minutes / 1440:.0f} days"


def seconds_text(seconds: float) -> str:
    """ "0.66 s", "12 s", "43 ms"."""
    if seconds < 0.1:
        return f"{1e3 * seconds:.0f} ms"
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.0f} s"
