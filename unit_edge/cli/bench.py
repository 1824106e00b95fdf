"""The command that measures how fast models run here."""

from __future__ import annotations

import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unit_edge.cli.options.common import OverwriteOption, refuse_existing
from unit_edge.cli.options.limits import COUNT_AT_MOST, MEASURED_S_AT_MOST, THREADS_AT_MOST
from unit_edge.cli.terminal.say import echo, echo_json, echo_wide, terminal_width
from unit_edge.errors import ConfigError, UnitEdgeError
from unit_edge.files.writing import check_writable
from unit_edge.text.numbers import whole_number
from unit_edge.text.sizes import parse_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from unit_edge.manifests.costs import CostsAt
    from unit_edge.runtime.bench.cases import BenchCase, Wanted
    from unit_edge.runtime.bench.result import BenchRow

REGRESSION = 3
"""Exit code of --compare if something became slower."""
_CLEAR_LINE = "\r\x1b[K"
_SUFFIXES = (".json", ".csv", ".md")
_IN_A_FOLDER = "bench.json"


def bench(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="MODEL...", help=".onnx or .engine files, or bundled models' names."),
    ] = None,
    backend: Annotated[
        str,
        typer.Option(
            metavar="NAME,...",
            help="auto, all, or some with commas of onnxruntime, onnxruntime-cuda, onnxruntime-tensorrt, "
            "openvino, tensorrt.",
        ),
    ] = "auto",
    batch: Annotated[
        str | None, typer.Option(metavar="N,...", help="Frames in a call. [default: the model's own]")
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(metavar="WxH,...", help="Size of frames of noise. [default: the model's, or 640x480]"),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--input", "--video", metavar="CLIP", help="A video, camera or stream: measure the whole way."
        ),
    ] = None,
    seconds: Annotated[
        float, typer.Option(min=0.01, max=MEASURED_S_AT_MOST, help="How long each measurement takes.")
    ] = 10,
    frames: Annotated[
        int | None,
        typer.Option(min=1, max=COUNT_AT_MOST, help="How many calls, or frames in a round, instead."),
    ] = None,
    warm_up: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", min=0, max=MEASURED_S_AT_MOST, help="The most that warming up takes."
        ),
    ] = 10,
    streams: Annotated[
        int, typer.Option(min=1, max=1024, help="How many at a time, each with its own runner.")
    ] = 1,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1, max=THREADS_AT_MOST, help="CPU threads of each stream's model. [default: all cores]"
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option("--vs", metavar="MODEL|BACKEND", help="Compare with that instead, in turns."),
    ] = None,
    peak: Annotated[bool, typer.Option("--peak/--no-peak", help="Measure this machine's peak too.")] = True,
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "-o",
            "--output",
            metavar="PATH",
            help="A .json, .csv or .md file, or a folder for all of them and plots. May be repeated.",
        ),
    ] = None,
    overwrite: OverwriteOption = False,
    from_: Annotated[
        Path | None,
        typer.Option("--from", metavar="JSON", help="Measure nothing: show, write and draw that benchmark."),
    ] = None,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(metavar="OLD NEW", help="Compare two benchmarks' JSON; exit code 3 if NEW is slower."),
    ] = None,
    tolerance: Annotated[
        float,
        typer.Option(
            metavar="SHARE", min=0, max=1000, help="How much slower is still the same, for --compare."
        ),
    ] = 0.05,
) -> None:
    """Measure how fast models run here.

    Alone, and from a clip to a finished video.

    \b
    Examples:
      unit-edge bench day2night-edge-s --size 1280x720
      unit-edge bench my-night.onnx --input drive.mp4 -o results/
      unit-edge bench day2night-edge-s my-night.onnx --backend all --batch 1,4
      unit-edge bench day2night-edge-s --vs openvino
      unit-edge bench --compare before.json after.json

    Each row is measured in a process of its own, after a warm-up that lasts until calls take as long as those
    before. What spoils a figure is reported with it: other programs, heat, swapping, a power mode, a battery.
    Ctrl-C prints what has been measured. The last line is JSON; docs/bench.md describes it.
    """
    given = [bool(models), from_ is not None, compare is not None]
    if sum(given) != 1:
        raise ConfigError("give MODELs to measure, or --from JSON, or --compare OLD NEW; just one of these")
    if compare is not None:
        _compare(*compare, tolerance)
        return
    outputs = [_checked(path, overwrite) for path in output or ()]
    if from_ is not None:
        from unit_edge.runtime.bench.report.reread import read_whole

        _show(read_whole(from_), outputs)
        return
    if source is not None and size is not None:
        raise ConfigError("--size is for frames of noise; leave it out, the frames of --input have their own")
    from unit_edge.interrupt import PATIENCE_S, Interrupted, watch_signals
    from unit_edge.runtime.bench.benchmark import Callbacks, Settings, benchmark
    from unit_edge.runtime.bench.cases import Wanted, cases_of
    from unit_edge.text.address import parse_address

    address = None if source is None else parse_address(source)
    if address is not None and address.kind in ("images", "stdin"):
        raise ConfigError(f"--input {address.name}: expected a video, a camera or a stream")
    wanted = Wanted(
        models=models or (),
        backends=backend.split(","),
        batches=[_whole(text, "--batch") for text in batch.split(",")] if batch is not None else (),
        sizes=[found for text in size.split(",") if (found := parse_size(text))] if size is not None else (),
        streams=streams,
        threads=threads,
        clip_size=None if address is None or address.live else _clip_size(address.path),
    )
    cases = cases_of(wanted)
    others = _others(cases, wanted, against) if against is not None else []
    for note in dict.fromkeys(case.note for case in [*cases, *others] if case.note):
        echo(f"note: {note}", err=True)
    settings = Settings(seconds=seconds, frames=frames, warm_up_s=warm_up, source=address, peak=peak)
    if all(case.refused for case in cases):
        raise UnitEdgeError(_reasons([(case.name, case.refused) for case in cases]))
    status = _Status(several=len(cases) + len(others) > 1)
    with watch_signals(PATIENCE_S) as wish:
        report = benchmark(
            cases,
            settings,
            wish,
            Callbacks(doing=status.doing, finished=status.finished, costs=_costs, build=_build),
            against=others,
        )
    status.clear()
    if report.interrupted or any(row.model_only is not None for row in report.rows):
        _show(report.as_dict(), outputs)
    if report.interrupted:
        raise Interrupted(wish.signal_number)
    if all(row.failed for row in report.rows):
        raise UnitEdgeError(_reasons([(row.title, row.failed) for row in report.rows]))


def _checked(path: Path, overwrite: bool) -> Path:
    from unit_edge.runtime.bench.report.files import check_path

    if path.suffix in _SUFFIXES and not path.is_dir():
        check_path(path)
    elif path.suffix or path.is_file():
        raise ConfigError(f"output {path}: expected a .json, .csv or .md file, or a folder")
    check_writable(path / "x" if path.is_dir() else path)
    refuse_existing(path if path.suffix else path / _IN_A_FOLDER, overwrite)
    return path


def _clip_size(path: Path) -> tuple[int, int]:
    from unit_edge.runtime.sources.video import FileSource

    with FileSource(path) as clip:
        return clip.info.width, clip.info.height


def _whole(text: str, option: str) -> int:
    if not (number := whole_number(text)):
        raise ConfigError(f"{option} {text!r}; expected whole numbers with commas, such as 1,4")
    return number


def _others(cases: Sequence[BenchCase], wanted: Wanted, against: str) -> list[BenchCase]:
    """What each case is compared with: the same on another backend, or another model on the same."""
    from unit_edge.runtime.backends.open import BACKENDS
    from unit_edge.runtime.bench.cases import cases_of

    found = []
    for case in cases:
        model, backend = (str(case.model), against) if against in BACKENDS else (against, case.backend)
        found += cases_of(
            replace(wanted, models=[model], backends=[backend], batches=[case.batch], sizes=[case.size])
        )
    return found


def _costs(model: Path, size: tuple[int, int]) -> CostsAt | None:
    """By the manifest, or counted where the export extra is installed."""
    from unit_edge.runtime.backends.open import read_model

    manifest = read_model(model)
    size = manifest.frame_size or size  # frames of other sizes are fitted to it
    known = manifest.costs.for_size(size) if manifest.costs is not None else None
    if known is not None or model.suffix != ".onnx":
        return known
    try:
        from unit_edge.export.graph.costs import costs_of_file
    except ModuleNotFoundError:
        return None
    return costs_of_file(model, size)


def _build(model: Path) -> Path:
    from unit_edge.export.to_engine import BuildOptions, build_engine

    return build_engine(model, None, BuildOptions())


def _reasons(failures: Sequence[tuple[str, str]]) -> str:
    if len(failures) == 1:
        return failures[0][1]
    return "nothing could be measured: " + "; ".join(f"{name}: {reason}" for name, reason in failures)


class _Status:
    """What is being done now, on a terminal; and a line for each finished row, if there are several."""

    def __init__(self, *, several: bool) -> None:
        self._several, self._redraw = several, sys.stderr.isatty()

    def doing(self, text: str) -> None:
        if self._redraw:
            sys.stderr.write(f"{_CLEAR_LINE}{text} …")
            sys.stderr.flush()

    def finished(self, row: BenchRow) -> None:
        self.clear()
        if not self._several:
            return
        from unit_edge.runtime.bench.report.table import fps_text

        figures = row.failed
        if row.model_only is not None:
            figures = f"{fps_text(row.model_only.fps)} FPS" + (f"; {row.failed}" if row.failed else "")
        if row.end_to_end is not None:
            figures += f", end to end {fps_text(row.end_to_end.fps)} FPS"
        echo(f"{row.title}: {figures}", err=True)

    def clear(self) -> None:
        if self._redraw:
            sys.stderr.write(_CLEAR_LINE)
            sys.stderr.flush()


def _show(report: dict[str, Any], outputs: Sequence[Path]) -> None:
    """Prints a benchmark and writes its files; the last line is its JSON."""
    from unit_edge.runtime.bench.report.columns import as_text
    from unit_edge.runtime.bench.report.table import DEFINITIONS, remarks, stage_table, tabulate

    for table, keys in ((tabulate(report["rows"]), 2), (stage_table(report["rows"]), 1)):
        if len(table) > 1:
            echo(as_text(table, terminal_width(), keys) + "\n")
    for heading, lines in remarks(report):
        echo_wide("\n  ".join([heading, *lines]))
    for line in DEFINITIONS:
        echo_wide(line)
    try:
        for path in outputs:
            for written in _write(path, report):
                echo(f"wrote {written}")
    finally:  # a full disk doesn't take the figures along
        echo_json(report)


def _write(path: Path, report: dict[str, Any]) -> Iterator[Path]:
    """Writes a file, or all into a folder, and gives each as soon as it is there."""
    from unit_edge.runtime.bench.report.files import write_csv, write_json, write_markdown
    from unit_edge.runtime.bench.report.plots import draw_plots

    one = path.suffix in _SUFFIXES
    folder = path.parent if one else path
    folder.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".json" or not one:
        yield write_json(path if one else folder / _IN_A_FOLDER, report)
    if path.suffix == ".csv" or not one:
        yield write_csv(path if one else folder / "bench.csv", report)
    plots: list[Path] = []
    if not one:
        try:
            plots = draw_plots(report, folder)
        except UnitEdgeError as error:
            echo(f"note: {error}", err=True)
        yield from plots
    if path.suffix == ".md" or not one:
        yield write_markdown(path if one else folder / "README.md", report, plots)


def _compare(old: Path, new: Path, tolerance: float) -> None:
    from unit_edge.runtime.bench.report.compare import compare, differences
    from unit_edge.runtime.bench.report.reread import read_whole

    before, after = read_whole(old), read_whole(new)
    for line in differences(before, after):
        echo(f"mind: {line}")
    changes = compare(before, after, tolerance)
    for change in changes:
        ratio = "" if change.ratio is None else f"  {change.ratio:.3f} x the FPS"
        echo(f"{change.verdict:8} {change.row}, {change.figure}{ratio}")
    worse = sum(change.regression for change in changes)
    echo_json({"regressions": worse, "changes": [asdict(change) for change in changes]})
    if worse:
        raise typer.Exit(REGRESSION)
