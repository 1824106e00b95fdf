"""What the charts show: rates and times of the last second, and what the machine says of itself."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from statistics import fmean
from types import TracebackType

from unit_edge.machine.system import resident_bytes
from unit_edge.runtime.sensors.power import find_ina3221, open_nvml
from unit_edge.runtime.sensors.system import process_cpu_s, read_counters, temperature_c
from unit_edge.runtime.serve.live.translation import Totals, Translation
from unit_edge.runtime.serve.video.encoder import SharedEncoder


@dataclass(frozen=True)
class Figures:
    """Figures of the time since the figures before; None is what isn't known, or didn't happen.

    Attributes:
        fps: translated frames a second.
        captured_fps: frames that came, a second.
        dropped_fps: of these, those that gave way to newer ones.
        age_ms: mean age of the frames when they were translated, from their capture on.
        age_p95_ms: what 95 % of them didn't exceed.
        decode_ms: of a frame, on average; of a camera, the conversion of its pixels.
        compute_ms: of a frame in the model.
        encode_ms: of a frame for viewers, by the slowest of the encoders that are at work.
        cpu: share of all cores that were at work, 0 to 1.
        own_cpu_cores: cores that were at work for this process.
        memory_mib: that this process holds.
        temperature_c: of the hottest sensor.
        watts: of `power_of`.
        power_of: "GPU", or the rails of a Jetson.
        gpu: share of the time in which the GPU ran a kernel.
    """

    fps: float = 0.0
    captured_fps: float = 0.0
    dropped_fps: float = 0.0
    age_ms: float | None = None
    age_p95_ms: float | None = None
    decode_ms: float | None = None
    compute_ms: float | None = None
    encode_ms: float | None = None
    cpu: float | None = None
    own_cpu_cores: float | None = None
    memory_mib: float | None = None
    temperature_c: float | None = None
    watts: float | None = None
    power_of: str | None = None
    gpu: float | None = None


@dataclass
class _Reading:
    at_s: float
    totals: Totals
    decode: tuple[float, int]
    encode: list[tuple[float, int]]
    busy_s: float | None
    own_s: float | None


class Meter:
    """Reads figures again and again; a context manager.

    Attributes:
        figures: the newest.
    """

    def __init__(self, translation: Translation, encoders: Iterable[SharedEncoder]) -> None:
        self._translation, self._encoders = translation, list(encoders)
        self.figures = Figures()

    def __enter__(self) -> Meter:
        with ExitStack() as stack:
            nvml = open_nvml()
            self._nvml = None if nvml is None else stack.enter_context(nvml)
            self._stack = stack.pop_all()
        self._ina3221 = find_ina3221()
        self._before = self._take()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def _take(self) -> _Reading:
        work = self._translation.work
        return _Reading(
            at_s=time.monotonic(),
            totals=self._translation.totals,
            decode=(work.seconds, work.frames),
            encode=[(encoder.seconds, encoder.frames) for encoder in self._encoders],
            busy_s=read_counters().busy_s,
            own_s=process_cpu_s(os.getpid()),
        )

    def read(self) -> Figures:
        """The figures since the last call; takes some milliseconds of looking into /proc."""
        then, now = self._before, self._take()
        self._before = now
        seconds = max(now.at_s - then.at_s, 1e-3)
        frames = now.totals.frames - then.totals.frames
        ages = sorted(
            1000 * one.age_s for one in self._translation.take_frame_times() if one.age_s is not None
        )
        encoders = [_ms(b, a) for b, a in zip(then.encode, now.encode, strict=True)]
        held = resident_bytes(os.getpid())
        reading = None if self._nvml is None else self._nvml.read()
        watts, power_of = (None, None) if reading is None else (reading.watts, "GPU")
        if self._ina3221 is not None:
            with suppress(OSError, ValueError):
                watts, power_of = self._ina3221.read(), self._ina3221.name
        self.figures = Figures(
            fps=frames / seconds,
            captured_fps=max(0, now.totals.captured - then.totals.captured) / seconds,
            dropped_fps=max(0, now.totals.dropped - then.totals.dropped) / seconds,
            age_ms=fmean(ages) if ages else None,
            age_p95_ms=ages[min(len(ages) - 1, int(0.95 * len(ages)))] if ages else None,
            decode_ms=_ms(then.decode, now.decode),
            compute_ms=1000 * (now.totals.infer_s - then.totals.infer_s) / frames if frames else None,
            encode_ms=max((one for one in encoders if one is not None), default=None),
            cpu=_at_most_all(_share(then.busy_s, now.busy_s, seconds * (os.cpu_count() or 1))),
            own_cpu_cores=_share(then.own_s, now.own_s, seconds),
            memory_mib=None if held is None else held[0] / 2**20,
            temperature_c=temperature_c(),
            watts=watts,
            power_of=power_of if watts is not None else None,
            gpu=None if reading is None else reading.utilisation,
        )
        return self.figures


def _ms(then: tuple[float, int], now: tuple[float, int]) -> float | None:
    """Milliseconds a frame, of sums of seconds and frames; None if none came, or the sums began anew."""
    frames = now[1] - then[1]
    return 1000 * (now[0] - then[0]) / frames if frames > 0 else None


def _at_most_all(share: float | None) -> float | None:
    """The system counts in steps of 10 ms, which can sum up to more than there was."""
    return None if share is None else min(1.0, share)


def _share(then: float | None, now: float | None, of: float) -> float | None:
    return None if then is None or now is None else max(0.0, (now - then) / of)
