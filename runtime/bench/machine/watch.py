"""What a measured process takes, and what else goes on on the machine that spoils its figures."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from types import TracebackType

from unit_edge.machine.system import resident_bytes
from unit_edge.runtime.sensors.power import GpuReading, Nvml, PowerSensor
from unit_edge.runtime.sensors.system import (
    Counters,
    frequency_share,
    on_battery,
    power_mode,
    process_cpu_s,
    read_counters,
)

_EVERY_S = 0.5
OTHER_LOAD = 0.05
"""Share of all cores that other programs may take before it is reported."""
STEAL = 0.01
"""The same for what the host of a virtual machine withholds."""
SLOW_CLOCK = 0.9
"""Share of the highest clock below which it is reported."""


@dataclass(frozen=True)
class Resources:
    """What a process took while it was watched; None is what the machine doesn't tell.

    Attributes:
        cpu_cores: cores that were at work for it, on average.
        resident_bytes: memory that it held in the end.
        peak_resident_bytes: the most that it has held.
        gpu_memory_bytes: the most in use on the GPU, by all programs.
        gpu_utilisation: mean share of the time in which the GPU ran a kernel.
        watts: mean power of `power_of`.
        power_of: "GPU" (NVML), or rails of an INA3221.
        clock_share: mean clock of the processor over its highest.
        gpu_clock_share: the same of the GPU.
    """

    cpu_cores: float | None = None
    resident_bytes: int | None = None
    peak_resident_bytes: int | None = None
    gpu_memory_bytes: int | None = None
    gpu_utilisation: float | None = None
    watts: float | None = None
    power_of: str | None = None
    clock_share: float | None = None
    gpu_clock_share: float | None = None


@dataclass
class Samples:
    """What was read again and again."""

    clocks: list[float] = field(default_factory=list)
    watts: list[float] = field(default_factory=list)
    gpu: list[GpuReading] = field(default_factory=list)


@dataclass(frozen=True)
class Sensors:
    """Where power is read; None where there is nothing."""

    nvml: Nvml | None = None
    ina3221: PowerSensor | None = None


class Watch:
    """Watches a process from another one; a context manager. Figures are there after it.

    Attributes:
        resources: of the process.
        spoilers: what spoils its figures, a line each for people.
    """

    resources: Resources
    spoilers: list[str]

    def __init__(self, pid: int, sensors: Sensors, root: Path = Path("/")) -> None:
        self._pid, self._sensors, self._root = pid, sensors, root

    def __enter__(self) -> Watch:
        self._samples, self._done = Samples(), threading.Event()
        self._begin = self._take()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()
        end = self._take()
        seconds = end.at_s - self._begin.at_s
        cpu_s = None if end.cpu_s is None or self._begin.cpu_s is None else end.cpu_s - self._begin.cpu_s
        self.resources = self._resources(cpu_s, seconds)
        self.spoilers = [
            *load_spoilers(self._begin, end, os.cpu_count() or 1),
            *speed_spoilers(self._begin.counters, end.counters, self._samples),
            *power_spoilers(on_battery(self._root), power_mode(self._root)),
        ]

    def _take(self) -> Instant:
        cpu_s, own_s = process_cpu_s(self._pid, self._root), time.process_time()
        return Instant(at_s=time.monotonic(), counters=read_counters(self._root), cpu_s=cpu_s, own_s=own_s)

    def _sample(self) -> None:
        while True:
            clock = frequency_share(self._root)
            if clock is not None:
                self._samples.clocks.append(clock)
            with suppress(OSError, ValueError):
                if self._sensors.ina3221 is not None:
                    self._samples.watts.append(self._sensors.ina3221.read())
            if self._sensors.nvml is not None:
                self._samples.gpu.append(self._sensors.nvml.read())
            if self._done.wait(_EVERY_S):
                return

    def _resources(self, cpu_s: float | None, seconds: float) -> Resources:
        samples, held = self._samples, resident_bytes(self._pid, self._root)
        gpu_watts = [reading.watts for reading in samples.gpu if reading.watts is not None]
        memory = [reading.memory_bytes for reading in samples.gpu if reading.memory_bytes is not None]
        ina3221 = self._sensors.ina3221
        rails = None if ina3221 is None or not samples.watts else ina3221.name
        return Resources(
            cpu_cores=None if cpu_s is None else cpu_s / seconds,
            resident_bytes=None if held is None else held[0],
            peak_resident_bytes=None if held is None else held[1],
            gpu_memory_bytes=max(memory, default=None),
            gpu_utilisation=_mean([r.utilisation for r in samples.gpu]),
            watts=_mean(samples.watts) if rails else _mean(gpu_watts),
            power_of=rails or ("GPU" if gpu_watts else None),
            clock_share=_mean(samples.clocks),
            gpu_clock_share=_mean([r.clock_share for r in samples.gpu]),
        )


@dataclass(frozen=True)
class Instant:
    """What is read of the machine at one moment.

    Attributes:
        at_s: time.monotonic().
        cpu_s: processor time of the watched process until then.
        own_s: that of the watching one.
    """

    at_s: float
    counters: Counters
    cpu_s: float | None
    own_s: float


def load_spoilers(begin: Instant, end: Instant, cores: int) -> list[str]:
    """What other programs do that spoils figures: load, a virtual machine's host, swapping."""
    spoilers = []
    seconds = (end.at_s - begin.at_s) * cores
    then, now = begin.counters, end.counters
    if None not in (then.busy_s, now.busy_s, begin.cpu_s, end.cpu_s):
        ours = (end.cpu_s or 0) - (begin.cpu_s or 0) + end.own_s - begin.own_s
        others = max(0.0, (now.busy_s or 0) - (then.busy_s or 0) - ours) / seconds
        if others > OTHER_LOAD:
            spoilers.append(f"other programs took {others:.0%} of the processor")
    if then.steal_s is not None and now.steal_s is not None:
        stolen = (now.steal_s - then.steal_s) / seconds
        if stolen > STEAL:
            spoilers.append(f"the virtual machine's host withheld {stolen:.0%} of the processor")
    if then.swapped_pages is not None and now.swapped_pages is not None:
        pages = now.swapped_pages - then.swapped_pages
        if pages:
            spoilers.append(f"memory was short: {pages} pages were swapped")
    return spoilers


def speed_spoilers(begin: Counters, end: Counters, samples: Samples) -> list[str]:
    """Clocks that were lower than they could be, which spoils figures."""
    spoilers = []
    if begin.throttled is not None and end.throttled is not None and end.throttled > begin.throttled:
        times = end.throttled - begin.throttled
        spoilers.append(f"the processor was slowed down for its heat {times} times")
    if begin.cooling or end.cooling:
        spoilers.append("the system slows something down for its heat")
    clock = _mean(samples.clocks)
    if clock is not None and clock < SLOW_CLOCK:
        spoilers.append(f"the processor ran at {clock:.0%} of its highest clock")
    reasons = sorted({reason for reading in samples.gpu for reason in reading.throttled})
    if reasons:
        spoilers.append(f"the GPU was slowed down: {', '.join(reasons)}")
    return spoilers


def power_spoilers(discharging: bool | None, mode: tuple[str, bool] | None) -> list[str]:
    """A battery, and a Jetson's power mode, where they spoil figures."""
    spoilers = []
    if discharging:
        spoilers.append("the machine runs on its battery")
    if mode is not None and not mode[1]:
        remedy = "`sudo nvpmodel -m 0`, then `sudo jetson_clocks`"
        spoilers.append(f"the power mode is {mode[0]}, not MAXN ({remedy})")
    return spoilers


def _mean(values: list[float] | list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
