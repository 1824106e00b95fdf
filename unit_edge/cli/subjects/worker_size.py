"""How many cores a worker of a fleet gets with `--cpus-per-worker auto`: measured by the benchmark, once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from unit_edge.errors import BackendError, ConfigError, SourceError
from unit_edge.interrupt import Interrupted, watch_signals

if TYPE_CHECKING:
    from unit_edge.interrupt import StopWish
    from unit_edge.runtime.backends.open import CheckedModel
    from unit_edge.runtime.bench.result import BenchRow

AUTO = "auto"
_CORES_AT_MOST = 8
_MEMORY_SHARE = 0.8
_AS_GOOD = 0.95
_SECONDS = 2.0


@dataclass(frozen=True)
class Measured:
    """What one worker was measured to do.

    Attributes:
        cores: threads of its inference, and cores that it is to get.
        fps: frames a second of it alone, of all stages if a clip was there.
        machine_fps: more the processor can't do on all of its cores; None if that isn't known.
        memory: the most bytes that it has held.
    """

    cores: int
    fps: float
    machine_fps: float | None
    memory: int


def parse_cpus(text: str) -> float | None:
    """The number that --cpus-per-worker gives; None for auto.

    Raises:
        ConfigError: it is neither.
    """
    if text == AUTO:
        return None
    try:
        cpus = float(text)
    except ValueError:
        cpus = 0
    if not 0.1 <= cpus < float("inf") or (cpus > 1 and cpus % 1):
        raise ConfigError(
            f"--cpus-per-worker {text}: expected {AUTO}, a part of a core from 0.1 on, or a whole number"
        )
    return cpus


def cores_for_a_worker(
    model: CheckedModel,
    backend: str,
    clip: Path | None,
    *,
    cores: int | None = None,
    seconds: float = _SECONDS,
) -> int:
    """The number of cores of a worker with which this machine makes most frames a second.

    It is measured with 1, 2, 4 and 8 cores as far as there are, and remembered.

    Args:
        model: that the workers run.
        backend: what runs it, not "auto".
        clip: one of those to come; None to measure the model alone, as with one that can't be read.
        cores: that the machine has for workers; None for those that this process may run on.
        seconds: that each measurement takes.

    Raises:
        BackendError: nothing could be measured.
        Interrupted: the user's wish.
    """
    from unit_edge.files.writing import cache_home
    from unit_edge.machine.system import memory_gb
    from unit_edge.runtime.backends.cores import usable_cores
    from unit_edge.runtime.backends.trial import machine_key, read_known, write_known

    cores = cores or usable_cores()
    sizes = [size for size in (1, 2, 4, _CORES_AT_MOST) if size <= cores]
    if len(sizes) == 1:
        return 1
    store = cache_home() / "workers.json"
    try:
        shape = _shape(clip)
    except SourceError:  # the run will name it
        clip, shape = None, ""
    key = f"{machine_key(model.manifest, [backend])} {cores} {shape}"
    known = read_known(store)
    if known.get(key) in sizes:
        return int(known[key])
    with watch_signals() as wish:
        measured = [_measured(model, backend, clip, size, seconds, wish) for size in sizes]
    memory = memory_gb()
    best = best_size(measured, cores, None if memory is None else memory * 1e9)
    write_known(store, known, key, best)
    return best


def best_size(measured: Sequence[Measured], cores: int, memory: float | None) -> int:
    """The cores with which a worker should work, so that a machine makes most frames a second.

    As many workers are counted as have room on its cores, and in four fifths of its memory in bytes if that
    is known. Of sizes that are within 5 % of the best it is the smallest: its clips fail one by one.
    """

    def fps(one: Measured) -> float:
        workers = cores // one.cores
        if memory is not None and one.memory:
            workers = min(workers, int(_MEMORY_SHARE * memory // one.memory))
        together = workers * one.fps
        if one.machine_fps is None:
            return together
        return min(together, one.machine_fps)

    best = max(fps(one) for one in measured)
    return min(one.cores for one in measured if fps(one) >= _AS_GOOD * best)


def _shape(clip: Path | None) -> str:
    if clip is None:
        return ""
    from unit_edge.runtime.sources.video import FileSource

    with FileSource(clip) as source:
        return f"{source.info.width}x{source.info.height}"


def _measured(
    model: CheckedModel, backend: str, clip: Path | None, size: int, seconds: float, wish: StopWish
) -> Measured:
    from unit_edge.runtime.bench.benchmark import Settings, benchmark
    from unit_edge.runtime.bench.cases import Wanted, cases_of
    from unit_edge.text.address import parse_address

    settings = Settings(
        seconds=seconds,
        warm_up_s=seconds,
        source=None if clip is None else parse_address(clip),
        peak=False,
    )
    wanted = Wanted([str(model.path)], [backend], threads=size, clip_size=None if clip is None else (0, 0))
    report = benchmark(cases_of(wanted), settings, wish)
    if report.interrupted:
        raise Interrupted(wish.signal_number)
    row: BenchRow = report.rows[0]
    if row.model_only is None:
        raise BackendError(
            f"--cpus-per-worker {AUTO}: nothing could be measured ({row.failed}); give a number"
        )
    whole = row.end_to_end
    peak = None if row.resources is None else row.resources.peak_resident_bytes
    return Measured(
        cores=size,
        fps=row.model_only.fps if whole is None else whole.fps,
        machine_fps=None if whole is None else whole.processor_allows_fps,
        memory=peak or 0,
    )
