"""A benchmark for people: a table of rows, what their stages take, what spoiled them; as text or Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

DEFINITIONS = (
    "model only: frames in memory. FPS is frames over wall time; latency is of one call, with the transfers "
    "to a GPU and back, as trtexec counts it; compute is without them. On a CPU there are none.",
    "end to end: from the file or camera to a finished video, all stages at once, as `translate` does it.",
)
Cell = Callable[[dict[str, Any]], str | None]


def _at(*path: str, digits: int | None = None, scale: float = 1.0, unit: str = "") -> Cell:
    """A value deep in a row's JSON, with so many decimals; None where it is absent."""

    def cell(row: dict[str, Any]) -> str | None:
        value: Any = row
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        if value is None:
            return None
        return str(value) if digits is None else f"{scale * value:.{digits}f}{unit}"

    return cell


def _size(row: dict[str, Any]) -> str:
    return "{}x{}".format(*row["frame_size"])


def _streams(row: dict[str, Any]) -> str | None:
    return str(row["streams"]) if row["streams"] > 1 else None


def _fps(figures: dict[str, Any] | None) -> str | None:
    return None if figures is None else fps_text(figures["fps"])


def fps_text(fps: float) -> str:
    """Frames a second, with decimals where there are few."""
    return f"{fps:.1f}" if fps >= 10 else f"{fps:.3g}"


_MODEL = "model_only"
_COLUMNS: tuple[tuple[str, Cell], ...] = (
    ("model", _at("model")),
    ("backend", _at("backend")),
    ("precision", _at("precision")),
    ("batch", _at("batch")),
    ("frame", _size),
    ("streams", _streams),
    ("FPS", lambda row: _fps(row.get(_MODEL))),
    ("p50 ms", _at(_MODEL, "latency_ms", "p50", digits=1)),
    ("IQR", _at(_MODEL, "latency_ms", "iqr", digits=1)),
    ("p99", _at(_MODEL, "latency_ms", "p99", digits=1)),
    ("max", _at(_MODEL, "latency_ms", "max", digits=1)),
    ("compute ms", _at(_MODEL, "compute_ms", "p50", digits=2)),
    ("first ms", _at("first_frame_ms", digits=0)),
    ("end to end FPS", lambda row: _fps(row.get("end_to_end"))),
    ("TFLOP/s", _at("roof", "tflops", digits=3)),
    ("of peak", _at("roof", "share", digits=0, scale=100, unit=" %")),
    ("cores", _at("resources", "cpu_cores", digits=1)),
    ("MiB", _at("resources", "peak_resident_bytes", digits=0, scale=2**-20)),
    ("GPU MiB", _at("resources", "gpu_memory_bytes", digits=0, scale=2**-20)),
    ("GPU use", _at("resources", "gpu_utilisation", digits=0, scale=100, unit=" %")),
    ("W", _at("resources", "watts", digits=1)),
    ("J/frame", _at("joules_per_frame", digits=3)),
)


def tabulate(rows: Sequence[dict[str, Any]]) -> list[list[str]]:
    """The heading and a line of cells for each row with figures; columns that nobody has are left out."""
    measured = [row for row in rows if _MODEL in row]
    cells = [[cell(row) for _, cell in _COLUMNS] for row in measured]
    kept = [k for k in range(len(_COLUMNS)) if any(line[k] is not None for line in cells)]
    heading = [_COLUMNS[k][0] for k in kept]
    return [heading, *([line[k] or "" for k in kept] for line in cells)]


def stage_table(rows: Sequence[dict[str, Any]]) -> list[list[str]]:
    """The heading and a line for each stage of each row that was measured end to end; none if none was."""
    lines = []
    for row in rows:
        account = row.get("end_to_end", {}).get("account")
        if account is None:
            continue
        for name, stage in [*account["stages"].items(), ("frame", {"time_ms": account["frame_ms"]})]:
            time_ms = stage["time_ms"]
            lines.append(
                [
                    title(row) if name == next(iter(account["stages"])) else "",
                    name,
                    *(f"{time_ms[key]:.2f}" for key in ("mean", "p50", "p90", "p99", "max")),
                    f"{stage['share']:.0%}" if "share" in stage else "",
                ]
            )
    heading = ["row", "stage", "mean ms", "p50", "p90", "p99", "max", "share of the frame's time"]
    return [heading, *lines] if lines else []


def title(row: dict[str, Any]) -> str:
    """One line that tells a row from others."""
    return (
        f"{row['model']} on {row['backend']}, {row['precision'] or '?'}, batch {row['batch']}, {_size(row)}"
        + (f", {row['streams']} streams" if row["streams"] > 1 else "")
    )


def remarks(report: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """What there is to say beside the tables: a heading and lines for each row, and of all."""
    of_all = []
    for pair in report.get("versus", ()):
        of_all.append(f"{pair['row']} takes {_ratio(pair['time_ratio'])} the time of {pair['against']}")
    for peak in report.get("peaks", ()):
        of_all.append(
            f"peak of {peak['backend']} in {peak['precision']}: {peak['tflops']:.3f} TFLOP/s ({peak['load']})"
        )
    for name, value in report.get("bandwidth_gb_s", {}).items():
        of_all.append(f"bandwidth of the {name}: {value:.1f} GB/s, read and written")
    if (timers := report.get("timers")) is not None:
        of_all.append(
            f"the timers of a frame take {1e6 * timers['seconds_a_frame']:.1f} µs, "
            f"{timers['share']:.3%} of the fastest row's frame"
        )
    of_all += report.get("notes", ())
    if report.get("interrupted"):
        of_all.append("stopped before all was measured")
    return [*((title(row), _of_row(row)) for row in report["rows"]), ("all rows", of_all)]


def _of_row(row: dict[str, Any]) -> list[str]:
    lines = []
    if row["failed"]:
        lines.append(f"{'not all measured' if _MODEL in row else 'not measured'}: {row['failed']}")
    if (alone := row.get(_MODEL)) is not None:
        warm = alone["warm_up"]
        stable = "stable then" if warm["stable"] else "not stable then"
        lines.append(
            f"{alone['calls']} calls after {warm['calls']} in {warm['seconds']:.1f} s of warm-up, {stable}; "
            f"backend taken: {row['backend_reason']}"
        )
    if (whole := row.get("end_to_end")) is not None:
        lines += _of_whole(whole)
    if row.get("roof", {}).get("share", 0) > 1:
        lines.append("mind: faster than the peak, which something else spoilt, or which is not this kind's")
    return [*lines, *(f"mind: {text}" for text in row["spoilers"])]


def _of_whole(whole: dict[str, Any]) -> list[str]:
    account = whole["account"]
    busy = ", ".join(f"{name} {share:.0%}" for name, share in account["busy"].items())
    others = ", ".join(
        f"{name} {fps:.1f}" for name, fps in account["allows_fps"].items() if name != account["bound"]
    )
    lines = [f"end to end {account['bound']} bounds (busy: {busy}); the others would allow {others} FPS"]
    if "ratio" in whole:
        lines.append(
            f"end to end {whole['fps']:.1f} FPS, {_ratio(whole['ratio'])} what the slowest stage alone does "
            f"({whole['slowest_alone']}, {whole['alone_fps'][whole['slowest_alone']]:.1f} FPS)"
        )
    if "processor_allows_fps" in whole:
        lines.append(
            f"the stages share the cores: their processor time allows {whole['processor_allows_fps']:.1f} FPS"
        )
    lines.append(f"first frame in the output after {whole['first_frame_ms']:.0f} ms")
    if "age_ms" in whole:
        age = whole["age_ms"]
        lines.append(
            f"age of frames when written: p50 {age['p50']:.0f} ms, p99 {age['p99']:.0f} ms, "
            f"max {age['max']:.0f} ms; {whole['dropped']} of {whole['captured']} dropped"
        )
    return lines


def _ratio(ratio: dict[str, Any]) -> str:
    sure = f"95 %: {ratio['low']:.3f} to {ratio['high']:.3f}, " if "low" in ratio else ""
    return f"{ratio['median']:.3f} x ({sure}{ratio['rounds']} rounds)"


def as_markdown(table: Sequence[Sequence[str]]) -> str:
    """A table of GitHub's Markdown."""
    heading, *lines = (f"| {' | '.join(line)} |" for line in table)
    return "\n".join([heading, f"|{'---|' * len(table[0])}", *lines])
