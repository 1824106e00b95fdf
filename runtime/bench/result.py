"""What a benchmark found, and its JSON: what is None here is absent there. docs/bench.md describes it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unit_edge.config.renamed import with_new_fields
from unit_edge.errors import ConfigError
from unit_edge.files.reading import read_json
from unit_edge.runtime.bench.account import Account
from unit_edge.runtime.bench.machine.watch import Resources
from unit_edge.runtime.bench.statistics import Histogram, Ratio, Summary
from unit_edge.runtime.bench.worker.warmup import WarmUp

KIND, SCHEMA = "unit-edge benchmark", 1


@dataclass(frozen=True)
class ModelOnly:
    """Frames in memory, one call after the other.

    Attributes:
        warm_up: what came before.
        calls: that were measured, all streams together.
        fps: frames a second: all frames over the time from the first call's begin to the last one's end.
        latency_ms: of a call, whatever its batch: from frames in the host's memory to frames in the host's
            memory, so with the transfers to a GPU and back.
        histogram: of the same.
        upload_ms, compute_ms, download_ms: of a call, on a GPU.
        compute_fps: frames a second without the transfers: what the computing alone allows.
        drift: by what share the last quarter of the calls was slower than the first.
    """

    warm_up: WarmUp
    calls: int
    fps: float
    latency_ms: Summary
    histogram: Histogram
    upload_ms: Summary | None = None
    compute_ms: Summary | None = None
    download_ms: Summary | None = None
    compute_fps: float | None = None
    drift: float | None = None


@dataclass(frozen=True)
class EndToEnd:
    """A clip, or what a live source gives, to a finished video.

    Attributes:
        frames: that were written, all rounds and streams together.
        fps: of all rounds: frames after the first, over the time from that one to the finished file.
        round_fps: the same of each round.
        first_frame_ms: from opening the output to the first frame in it; the median of the rounds.
        account: what the stages took, of the frames of all rounds.
        frame_size: width and height of the source's frames in pixels.
        alone_fps: frames a second of "decode", "model" and "encode" with nothing beside each; medians.
        slowest_alone: which of them.
        ratio: fps over that of the slowest alone, measured in turns.
        processor_allows_fps: the cores over the processor time that a frame took in the stages alone: more
            is not to be had where the model runs on the same cores.
        age_ms: of the frames of a live source when they had been written, from their capture on.
        captured, dropped: frames of a live source.
    """

    frames: int
    fps: float
    round_fps: tuple[float, ...]
    first_frame_ms: float
    account: Account
    frame_size: tuple[int, int]
    alone_fps: dict[str, float] | None = None
    slowest_alone: str | None = None
    ratio: Ratio | None = None
    processor_allows_fps: float | None = None
    age_ms: Summary | None = None
    captured: int | None = None
    dropped: int | None = None


@dataclass(frozen=True)
class Roof:
    """A row against what this machine can do.

    Attributes:
        operations: of a frame, a multiplication and an addition being two.
        tflops: achieved, 10¹² operations a second.
        peak_tflops: see `Peak`; the best backend's of the same device, precision and number of threads.
        share: of the peak.
        intensity: operations for each byte that a frame moves, by the model's costs.
        bound_tflops: what the memory bandwidth or the peak allows at that intensity, whichever is less.
    """

    operations: int
    tflops: float
    peak_tflops: float | None = None
    share: float | None = None
    intensity: float | None = None
    bound_tflops: float | None = None


@dataclass(frozen=True)
class BenchRow:
    """One case and its figures; `failed` says why some or all are missing, "" if none is.

    Attributes:
        opened_ms: until the model was loaded.
        first_frame_ms: until its first frame was there, from the same moment on.
        joules_per_frame: energy of the model alone, of what `resources.power_of` names.
        spoilers: what spoiled the figures.
    """

    model: str
    sha256: str
    backend: str
    precision: str
    batch: int
    frame_size: tuple[int, int]
    streams: int
    threads: int | None
    backend_reason: str
    runs_on: str | None = None
    failed: str = ""
    opened_ms: float | None = None
    first_frame_ms: float | None = None
    model_only: ModelOnly | None = None
    end_to_end: EndToEnd | None = None
    resources: Resources | None = None
    joules_per_frame: float | None = None
    roof: Roof | None = None
    spoilers: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """One line that tells it from others."""
        many = f", {self.streams} streams" if self.streams > 1 else ""
        size = "{}x{}".format(*self.frame_size)
        return f"{self.model} on {self.backend}, {self.precision or '?'}, batch {self.batch}, {size}{many}"


@dataclass(frozen=True)
class Versus:
    """Two rows in turns, call by call: the ratio of the time that a frame takes, `row` over `against`."""

    row: str
    against: str
    time_ratio: Ratio


@dataclass(frozen=True)
class Peak:
    """What a model of nothing but arithmetic reached in its fastest call; see load_model.py.

    Attributes:
        load: "matrix products" or "convolutions", whichever was faster.
    """

    backend: str
    precision: str
    threads: int | None
    tflops: float
    load: str


@dataclass(frozen=True)
class Timers:
    """What the benchmark itself takes of the fastest row's frame time."""

    seconds_a_frame: float
    share: float


@dataclass(frozen=True)
class BenchReport:
    """All that a benchmark measured.

    Attributes:
        made: when it began, ISO 8601.
        settings: what was asked for.
        machine: that it ran on, and how it was set up.
        bandwidth_gb_s: of "memory" and "gpu memory", 10⁹ bytes a second, read and written.
        notes: what couldn't be measured, and why.
        interrupted: the user stopped it; what was done until then is here.
    """

    made: str
    settings: dict[str, Any]
    machine: dict[str, Any]
    rows: tuple[BenchRow, ...]
    versus: tuple[Versus, ...] = ()
    peaks: tuple[Peak, ...] = ()
    bandwidth_gb_s: dict[str, float] = field(default_factory=dict)
    timers: Timers | None = None
    notes: tuple[str, ...] = ()
    interrupted: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON has it."""
        found: dict[str, Any] = _present(dataclasses.asdict(self))
        return {"kind": KIND, "schema": SCHEMA, **found}


def _present(value: Any) -> Any:
    """The same without what is None; floats with the digits that mean something."""
    if isinstance(value, dict):
        return {name: _present(item) for name, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [_present(item) for item in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def read_report(path: Path) -> dict[str, Any]:
    """A benchmark's JSON, as `BenchReport.as_dict` made it.

    Raises:
        ConfigError: it can't be read, or is something else.
    """
    try:
        raw = read_json(path)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; `unit-edge bench MODEL -o FILE.json` makes one") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: can't be read as JSON ({error})") from None
    kind, schema = (raw.get("kind"), raw.get("schema")) if isinstance(raw, dict) else (None, None)
    if kind != KIND:
        raise ConfigError(f"{path}: not a benchmark; expected a file of `unit-edge bench MODEL -o FILE.json`")
    if schema != SCHEMA:
        raise ConfigError(f"{path}: a benchmark of schema {schema}, expected {SCHEMA}; measure it again")
    rows = raw.get("rows")
    if not isinstance(rows, list) or not all(isinstance(row, dict) and "model" in row for row in rows):
        raise ConfigError(f"{path}: a damaged benchmark: no rows in it; measure it again")
    found: dict[str, Any] = raw
    for name in ("rows", "peaks"):
        if isinstance(found.get(name), list):
            found[name] = [with_new_fields(item) if isinstance(item, dict) else item for item in found[name]]
    return found
