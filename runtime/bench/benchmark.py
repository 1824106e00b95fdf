"""The benchmark: each case in a process of its own, then the peak of the machine, into one report."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from statistics import median
from typing import Any

from unit_edge.errors import UnitEdgeError
from unit_edge.files.writing import remove_abandoned
from unit_edge.interrupt import Interrupted, StopWish
from unit_edge.manifests.costs import CostsAt
from unit_edge.runtime.bench.cases import BenchCase
from unit_edge.runtime.bench.machine.machine import describe_machine
from unit_edge.runtime.bench.machine.watch import Sensors, Watch
from unit_edge.runtime.bench.measure import end_to_end, model_only
from unit_edge.runtime.bench.peak import Built, Limits
from unit_edge.runtime.bench.process import BenchWorker, CaseFailed
from unit_edge.runtime.bench.result import BenchReport, BenchRow, ModelOnly, Roof, Timers, Versus
from unit_edge.runtime.bench.statistics import ratio_of_rounds
from unit_edge.runtime.bench.timers import seconds_for_a_frame
from unit_edge.runtime.sensors.power import find_ina3221, open_nvml
from unit_edge.text.address import Address

VERSUS_ROUNDS = 12
_PEAK_S, _PEAK_WARM_UP_S = 1.0, 3.0
DRIFT = 0.05
"""Share by which the calls may become slower or faster before it is reported."""


@dataclass(frozen=True)
class Settings:
    """How it is measured.

    Attributes:
        seconds: that a measurement takes: the model alone, all rounds of all stages, a comparison.
        frames: how many calls or frames instead, in each round; None to go by the time.
        warm_up_s: the most that a warm-up takes.
        source: of the frames; None for noise, and the model alone.
        peak: whether the machine's peak is measured.
    """

    seconds: float = 10.0
    frames: int | None = None
    warm_up_s: float = 10.0
    source: Address | None = None
    peak: bool = True


@dataclass
class Callbacks:
    """What the benchmark asks of, and tells, who runs it.

    Attributes:
        doing: gets what is being done now.
        finished: gets a row when it is finished.
        costs: what a frame of a size takes a model; None if nobody knows.
        build: makes a TensorRT engine of a load model; None where that can't be.
    """

    doing: Callable[[str], None] = field(default=lambda _: None)
    finished: Callable[[BenchRow], None] = field(default=lambda _: None)
    costs: Callable[[Path, tuple[int, int]], CostsAt | None] = field(default=lambda *_: None)
    build: Built | None = None


def benchmark(
    cases: Sequence[BenchCase],
    settings: Settings,
    wish: StopWish,
    callbacks: Callbacks | None = None,
    *,
    against: Sequence[BenchCase] = (),
) -> BenchReport:
    """Measures the cases, one after the other; one that fails has that in its row, and the others go on.

    Args:
        cases: what is measured.
        settings: how it is measured.
        wish: if it comes, the report has what was measured until then.
        callbacks: who is told how far it is.
        against: a case for each of `cases`, which is compared with it by taking turns.
    """
    made = datetime.now(timezone.utc).isoformat(timespec="seconds")
    machine = describe_machine()
    callbacks = callbacks or Callbacks()
    interrupted = False
    remove_abandoned(Path(tempfile.gettempdir()), "unit-edge-bench-*")
    with tempfile.TemporaryDirectory(prefix="unit-edge-bench-") as folder:
        limits = Limits(
            Path(folder),
            wish,
            callbacks.build,
            seconds=min(_PEAK_S, settings.seconds),
            warm_up_s=min(_PEAK_WARM_UP_S, settings.warm_up_s),
        )
        run = _Run(settings, wish, callbacks, limits)
        try:
            for index, case in enumerate(cases):
                run.measure(case, against[index] if against else None)
            if settings.peak:
                run.measure_limits_again()
        except Interrupted:
            interrupted = True
    return run.report(made, machine, interrupted=interrupted)


class _Run:
    """What has been measured so far."""

    def __init__(self, settings: Settings, wish: StopWish, callbacks: Callbacks, limits: Limits) -> None:
        self._settings, self._wish, self._tell, self._limits = settings, wish, callbacks, limits
        self._sensors = Sensors(open_nvml(), find_ina3221())
        self._models: dict[str, Path] = {}
        self.rows: list[BenchRow] = []
        self.versus: list[Versus] = []
        self.notes: list[str] = []

    def measure(self, case: BenchCase, against: BenchCase | None) -> None:
        """Adds a row; two and a comparison if it is compared."""
        with ExitStack() as stack:
            pair = [self._row(one, stack) for one in (case, against) if one is not None]
            if len(pair) == 2 and all(worker is not None for _, worker in pair):
                self._compare(pair)

    def _row(self, case: BenchCase, stack: ExitStack) -> tuple[BenchRow, BenchWorker | None]:
        row = BenchRow(
            model=case.name,
            sha256=case.sha256,
            backend=case.backend,
            precision=case.precision,
            batch=case.batch,
            frame_size=case.size,
            streams=case.streams,
            threads=case.threads,
            backend_reason=case.reason or "asked for",
            failed=case.refused,
        )
        worker = None
        self._models[case.sha256] = case.model
        place = len(self.rows)
        self.rows.append(row)
        if not case.refused:
            key = case.backend, case.precision, case.threads
            try:
                if self._settings.peak and key not in self._limits.peaks:
                    self._measure_limits(*key)
                worker = stack.enter_context(BenchWorker(self._wish))
                for found in self._figures(case, row, worker):
                    self.rows[place] = found
            except CaseFailed as error:
                self.rows[place] = replace(self.rows[place], failed=str(error))
                worker = None
            except Interrupted:
                self.rows[place] = replace(self.rows[place], failed="stopped before it was done")
                raise
        self._tell.finished(self.rows[place])
        return self.rows[place], worker

    def _figures(self, case: BenchCase, row: BenchRow, worker: BenchWorker) -> Iterator[BenchRow]:
        """The row, each time that something was added to it."""
        settings, source = self._settings, self._settings.source
        clip = None if source is None or source.live else str(source.path)
        self._tell.doing(f"{row.title}: loading")
        opened = worker.ask(
            "open",
            model=str(case.model),
            backend=case.backend,
            batch=case.batch,
            size=list(case.size),
            streams=case.streams,
            threads=case.threads,
            clip=clip,
        )
        width, height = opened["frame_size"]
        row = replace(
            row,
            runs_on=opened["backend"],
            opened_ms=1e3 * opened["opened_s"],
            first_frame_ms=1e3 * opened["first_s"],
            frame_size=(width, height),
        )
        yield row
        self._tell.doing(f"{row.title}: warming up")
        warm = worker.ask("warm_up", seconds=settings.warm_up_s)
        self._tell.doing(f"{row.title}: the model alone")
        with self._watched(worker) as watch:
            calls = worker.ask("calls", seconds=settings.seconds, calls=settings.frames)
        alone = model_only(warm, calls, batch=case.batch, streams=case.streams)
        watts = watch.resources.watts
        row = replace(
            row,
            model_only=alone,
            resources=watch.resources,
            joules_per_frame=None if watts is None else watts / alone.fps,
            spoilers=(*_own_spoilers(alone), *watch.spoilers),
        )
        yield row
        if source is not None:
            self._tell.doing(f"{row.title}: end to end")
            with self._watched(worker) as watch:
                whole = end_to_end(
                    worker,
                    source,
                    call_s=alone.latency_ms.p50 / 1e3,
                    batch=case.batch,
                    streams=case.streams,
                    seconds=settings.seconds,
                    frames=settings.frames,
                )
            spoilers = dict.fromkeys([*row.spoilers, *(f"end to end: {text}" for text in watch.spoilers)])
            yield replace(row, end_to_end=whole, spoilers=tuple(spoilers))

    @contextmanager
    def _watched(self, worker: BenchWorker) -> Iterator[Watch]:
        with ExitStack() as stack:
            if self._sensors.nvml is not None:
                stack.enter_context(self._sensors.nvml)
            yield stack.enter_context(Watch(worker.pid, self._sensors))

    def _compare(self, pair: Sequence[tuple[BenchRow, BenchWorker | None]]) -> None:
        """Takes turns, a short while each, and keeps the ratio of the medians of each round."""
        titles = [row.title for row, _ in pair]
        self._tell.doing(f"{titles[0]} against {titles[1]}")
        medians: list[list[float]] = [[], []]
        try:
            for turn in range(VERSUS_ROUNDS):
                # A B B A: what comes second isn't always the same
                for side in (0, 1) if turn % 2 == 0 else (1, 0):
                    row, worker = pair[side]
                    assert worker is not None and row.model_only is not None
                    call_s = row.model_only.latency_ms.p50 / 1e3
                    count = math.ceil(self._settings.seconds / VERSUS_ROUNDS / call_s)
                    calls = worker.ask("calls", seconds=0, calls=self._settings.frames or max(1, count))
                    medians[side].append(median(calls["latencies_s"]) / row.batch)
        except CaseFailed as error:
            self.notes.append(f"{titles[0]} against {titles[1]}: {error}")
            return
        self.versus.append(Versus(titles[0], titles[1], ratio_of_rounds(medians[0], medians[1])))

    def measure_limits_again(self) -> None:
        """Once more for all that has figures: one of the two times, the machine may have been busy."""
        measured = [row for row in self.rows if row.model_only is not None]
        for key in dict.fromkeys((row.backend, row.precision, row.threads) for row in measured):
            self._measure_limits(*key)

    def _measure_limits(self, backend: str, precision: str, threads: int | None) -> None:
        self._tell.doing(f"the peak of this machine: {backend}, {precision}")
        self._limits.measure(backend, precision, threads)

    def report(self, made: str, machine: dict[str, Any], *, interrupted: bool) -> BenchReport:
        """All that was measured."""
        settings, limits = self._settings, self._limits
        rows = tuple(replace(row, roof=self._roof(row)) for row in self.rows)
        measured = dict.fromkeys(row.backend for row in rows if row.model_only is not None)
        return BenchReport(
            made=made,
            settings={
                "seconds": settings.seconds,
                "frames": settings.frames,
                "warm_up_s": settings.warm_up_s,
                "input": None if settings.source is None else settings.source.name,
            },
            machine=machine,
            rows=rows,
            versus=tuple(self.versus),
            peaks=tuple(limits.peaks.values()),
            bandwidth_gb_s=limits.bandwidth_gb_s,
            timers=_timers(self.rows),
            notes=(*self.notes, *(text for backend in measured for text in limits.problems.get(backend, ()))),
            interrupted=interrupted,
        )

    def _roof(self, row: BenchRow) -> Roof | None:
        if row.model_only is None:
            return None
        try:
            costs = self._tell.costs(self._models[row.sha256], row.frame_size)
        except UnitEdgeError as error:
            self.notes.append(f"{row.title}: what it takes can't be counted: {error}")
            return None
        if costs is None or not costs.macs:
            return None
        return self._limits.roof_of(row, 2 * costs.macs, costs.traffic_bytes)


def _own_spoilers(alone: ModelOnly) -> list[str]:
    """Of the calls themselves."""
    spoilers = []
    if not alone.warm_up.stable:
        spoilers.append(f"not stable after {alone.warm_up.seconds:.0f} s of warm-up")
    if alone.drift is not None and abs(alone.drift) > DRIFT:
        word = "slower" if alone.drift > 0 else "faster"
        spoilers.append(f"the last quarter of the calls was {abs(alone.drift):.0%} {word} than the first")
    return spoilers


def _timers(rows: Sequence[BenchRow]) -> Timers | None:
    times = [row.model_only.latency_ms.p50 / 1e3 / row.batch for row in rows if row.model_only is not None]
    if not times:
        return None
    spent = seconds_for_a_frame()
    return Timers(spent, spent / min(times))
