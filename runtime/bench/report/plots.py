"""A benchmark as pictures: latency, stages, FPS, roofline. Needs matplotlib, of the bench extra."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

from unit_edge.errors import UnitEdgeError
from unit_edge.files.writing import replacing
from unit_edge.runtime.bench.cases import memory_of
from unit_edge.runtime.bench.report.table import title

_DPI = 120
_STAGE_COLOURS = {
    "decode": "#4477aa",
    "capture": "#4477aa",
    "wait": "#cccccc",
    "upload": "#ccbb44",
    "compute": "#228833",
    "download": "#ee6677",
    "host": "#aa3377",
    "encode": "#66ccee",
}


def draw_plots(report: dict[str, Any], folder: Path) -> list[Path]:
    """Writes a PNG for each picture that a benchmark's JSON has figures for; returns where they are.

    Raises:
        UnitEdgeError: matplotlib is not installed.
        OSError: they can't be written.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        raise UnitEdgeError(
            'plots need matplotlib: install it with `pip install "unit-edge[bench]"`, or carry the JSON to a '
            "machine that has it and draw there with `unit-edge bench --from FILE.json -o DIR`"
        ) from None
    pictures: dict[str, Callable[[Any, dict[str, Any]], bool]] = {
        "latency": _latency,
        "stages": _stages,
        "fps": _fps,
        "roofline": _roofline,
    }
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, draw in pictures.items():
        figure = Figure(layout="constrained")
        try:
            if not draw(figure, report):
                continue
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError) as error:
            raise UnitEdgeError(f"{name}.png can't be drawn of this benchmark ({error!r})") from None
        path = folder / f"{name}.png"
        with replacing(path) as temporary:
            figure.savefig(temporary, format="png", dpi=_DPI)
        written.append(path)
    return written


def _measured(report: dict[str, Any]) -> list[dict[str, Any]]:
    return [row for row in report["rows"] if "model_only" in row]


def _latency(figure: Any, report: dict[str, Any]) -> bool:
    """A histogram for each row, one above the other; every call is in it."""
    rows = _measured(report)
    if not rows:
        return False
    figure.set_size_inches(8, 0.6 + 1.3 * len(rows))
    axes = figure.subplots(len(rows), squeeze=False)[:, 0]
    for axis, row in zip(axes, rows, strict=True):
        bins, summary = row["model_only"]["histogram"], row["model_only"]["latency_ms"]
        axis.stairs(bins["counts"], bins["edges_ms"], fill=True, color="#228833")
        for name, style in (("p50", "-"), ("p99", ":")):
            axis.axvline(summary[name], color="black", linestyle=style, linewidth=1, label=name)
        axis.set_title(title(row), fontsize=8, loc="left")
        axis.set_ylabel("calls", fontsize=8)
        axis.tick_params(labelsize=8)
    axes[0].legend(fontsize=8)
    axes[-1].set_xlabel("ms for a call, the model alone", fontsize=8)
    return True


def _stages(figure: Any, report: dict[str, Any]) -> bool:
    """Where a frame's time goes from being read to being written: a bar for each row."""
    rows = [row for row in report["rows"] if "end_to_end" in row]
    if not rows:
        return False
    figure.set_size_inches(9, 1.2 + 0.45 * len(rows))
    axis = figure.subplots()
    named: set[str] = set()
    for place, row in enumerate(rows):
        left = 0.0
        for name, stage in row["end_to_end"]["account"]["stages"].items():
            mean = stage["time_ms"]["mean"]
            label = None if name in named else name
            named.add(name)
            axis.barh(place, mean, left=left, color=_STAGE_COLOURS[name], label=label)
            left += mean
    axis.set_yticks(range(len(rows)), [title(row) for row in rows], fontsize=8)
    axis.invert_yaxis()
    axis.set_xlabel("ms of a frame from being read to being written, mean", fontsize=8)
    axis.legend(fontsize=8, ncols=len(named), loc="lower center", bbox_to_anchor=(0.5, 1))
    return True


def _fps(figure: Any, report: dict[str, Any]) -> bool:
    """Frames a second by backend, the model alone and end to end."""
    rows = _measured(report)
    if not rows:
        return False
    backends = list(dict.fromkeys(row["backend"] for row in rows))
    things = list(dict.fromkeys(_thing(row) for row in rows))
    figure.set_size_inches(9, 1.2 + 0.3 * len(things) * len(backends))
    axis = figure.subplots()
    height = 0.8 / len(backends)
    for number, backend in enumerate(backends):
        found = {_thing(row): row for row in rows if row["backend"] == backend}
        places = [k + number * height for k, thing in enumerate(things) if thing in found]
        shown = [found[thing] for thing in things if thing in found]
        values = [row["model_only"]["fps"] for row in shown]
        bars = axis.barh(places, values, height * 0.9, label=f"{backend}, the model alone")
        axis.bar_label(bars, fmt="%.3g", fontsize=7, padding=2)
        ends = [
            (place, row["end_to_end"]["fps"])
            for place, row in zip(places, shown, strict=True)
            if "end_to_end" in row
        ]
        if ends:
            axis.plot(
                [fps for _, fps in ends],
                [place for place, _ in ends],
                "k|",
                markersize=10,
                label=None if number else "end to end",
            )
    axis.set_yticks([k + 0.4 - height / 2 for k in range(len(things))], things, fontsize=8)
    axis.invert_yaxis()
    axis.set_xlabel("frames a second", fontsize=8)
    axis.legend(fontsize=8, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1))
    return True


def _thing(row: dict[str, Any]) -> str:
    """A row without its backend."""
    return title(row).replace(f" on {row['backend']}", "")


def _roofline(figure: Any, report: dict[str, Any]) -> bool:
    """What was achieved over the operations for each byte, below what the machine allows."""
    rows = [row for row in report["rows"] if "intensity" in row.get("roof", {})]
    bandwidths, peaks = report.get("bandwidth_gb_s", {}), report.get("peaks", ())
    if not rows or not peaks or not bandwidths:
        return False
    figure.set_size_inches(10, 5)
    axis = figure.subplots()
    markers = cycle("ovs^D<p>P*X")
    intensities = [row["roof"]["intensity"] for row in rows]
    for where, gb_s in bandwidths.items():
        for peak in peaks:
            if memory_of(peak["backend"]) != where:
                continue
            knee = 1e3 * peak["tflops"] / gb_s
            corners = [min(*intensities, knee) / 4, knee, 4 * max(*intensities, knee)]
            axis.plot(
                corners,
                [min(peak["tflops"], gb_s * corner / 1e3) for corner in corners],
                linewidth=1,
                label=f"{where} {gb_s:.0f} GB/s, {peak['backend']} {peak['precision']} "
                f"{peak['tflops']:.3g} TFLOP/s",
            )
    for row in rows:
        roof = row["roof"]
        axis.plot(roof["intensity"], roof["tflops"], next(markers), markersize=6, label=title(row))
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlabel("operations for each byte of memory traffic")
    axis.set_ylabel("TFLOP/s")
    axis.grid(which="both", linewidth=0.3)
    axis.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))
    return True
