"""The commands that look at files and boards without running anything."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unit_edge.cli.options.common import needs
from unit_edge.cli.terminal.say import echo, echo_wide
from unit_edge.errors import ConfigError
from unit_edge.registry import resolve_model
from unit_edge.text.sizes import parse_size

if TYPE_CHECKING:
    from unit_edge.boards.board import Board
    from unit_edge.manifests.costs import CostsAt
    from unit_edge.manifests.model import Manifest

_AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
_DEFAULT_SIZE = (1280, 720)


def inspect(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="A model, engine, manifest or weights file, a folder of a run or bundle, a bundled model.",
        ),
    ],
    size: Annotated[
        str | None,
        typer.Option(
            metavar="WxH", help="Frame size that a model is counted for. [default: its own, or 1280x720]"
        ),
    ] = None,
    as_json: _AsJson = False,
) -> None:
    """Show what a file is and what is in it.

    \b
    Examples:
      unit-edge inspect day2night-edge-s
      unit-edge inspect board.onnx --size 1920x1080 --json
      unit-edge inspect runs/day-night

    Of an ONNX model: tensors, operations, precision and multiply-accumulates of each layer, memory, and
    whether it is the file that its manifest names. `unit-edge info` is the short form, and needs no onnx.
    """
    from unit_edge.cli.subjects.inspection import inspect_file

    wanted = parse_size(size)
    path = resolve_model(file)
    with needs("inspect"):
        report = inspect_file(path, wanted)
    if as_json:
        echo(json.dumps(report, indent=2))
    else:
        for line in _lines(report):
            echo_wide(line, 20)


def boards(
    model: Annotated[
        str | None,
        typer.Argument(metavar="[MODEL]", help="Predict the FPS of this .onnx file or bundled model."),
    ] = None,
    board: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only this one, with its sources and notes.")
    ] = None,
    size: Annotated[
        str | None, typer.Option(metavar="WxH", help="Frame size. [default: the model's own, or 1280x720]")
    ] = None,
    as_json: _AsJson = False,
) -> None:
    """List boards, and how fast a model could run on them.

    \b
    Examples:
      unit-edge boards
      unit-edge boards day2night-edge-s --size 1920x1080
      unit-edge boards my-night.onnx --board orin-nano-8gb

    The FPS are predicted from peaks and bandwidth, not measured; `unit-edge bench` measures.
    """
    from unit_edge.boards.find import all_boards, find_board

    chosen = all_boards() if board is None else (find_board(board),)
    wanted = parse_size(size)
    if model is None and wanted is not None:
        raise ConfigError("--size without a MODEL; say which model to predict the speed of")
    predicted = None if model is None else _predicted(resolve_model(model), wanted, chosen)
    if as_json:
        rows = [dataclasses.asdict(entry) for entry in chosen]
        for row in rows if predicted else ():
            row["predicted"] = predicted["boards"][row["name"]] if predicted else None
        head = {key: value for key, value in (predicted or {}).items() if key != "boards"}
        echo(json.dumps({**head, "boards": rows}, indent=2))
        return
    for line in _details(chosen[0]) if board is not None else _table(chosen) if predicted is None else ():
        echo_wide(line, 24)
    if predicted is not None:
        for line in _prediction_table(predicted, chosen):
            echo_wide(line, 24)


def _predicted(path: Path, wanted: tuple[int, int] | None, chosen: tuple[Board, ...]) -> dict[str, Any]:
    from unit_edge.boards.roofline import assumptions, precisions_of, predict
    from unit_edge.runtime.backends.open import read_model

    manifest = read_model(path)
    costs = _costs(path, manifest, wanted)
    speeds: dict[str, Any] = {}
    for board in chosen:
        speeds[board.name] = {}
        for precision in precisions_of(manifest.precision):
            prediction = predict(costs, board, precision, manifest.precision)
            speeds[board.name][precision] = None if prediction is None else dataclasses.asdict(prediction)
    return {
        "model": manifest.name,
        "precision": manifest.precision,
        **dataclasses.asdict(costs),
        "assumptions": assumptions(),
        "boards": speeds,
    }


def _costs(path: Path, manifest: Manifest, wanted: tuple[int, int] | None) -> CostsAt:
    """From the manifest, so that a board needs no onnx; counted anew for a size that it doesn't have."""
    _, height, width, _ = manifest.input.shape
    size = wanted or (width or _DEFAULT_SIZE[0], height or _DEFAULT_SIZE[1])
    if (width not in (None, size[0])) or (height not in (None, size[1])):
        raise ConfigError(
            f"{path}: takes frames of {width}x{height}, not {size[0]}x{size[1]}; leave --size out"
        )
    costs = manifest.costs.for_size(size) if manifest.costs is not None else None
    if costs is not None:
        return costs
    try:
        from unit_edge.export.graph.costs import costs_of_file
    except ModuleNotFoundError as error:
        if error.name != "onnx":
            raise
        known = ", ".join(
            "{}x{}".format(*at.frame_size) for at in (manifest.costs.at if manifest.costs else ())
        )
        raise ConfigError(
            f"{path}: its manifest has no costs for frames of {size[0]}x{size[1]}, only {known or 'none'}; "
            'to count them install onnx with `pip install "unit-edge[inspect]"`'
        ) from None
    return costs_of_file(path, size)


def _table(chosen: tuple[Board, ...]) -> list[str]:
    lines = [
        f"{'board':22}{'memory':>7}{'bandwidth':>11}{'fp32':>8}{'fp16':>8}{'int8':>8}{'CUDA':>6}{'DLA':>5}  "
        "JetPack (TensorRT)"
    ]
    lines.append(f"{'':22}{'GB':>7}{'GB/s':>11}{'TFLOP/s':>8}{'TFLOP/s':>8}{'TOP/s':>8}{'':>6}{'':>5}  ")
    for board in chosen:
        software = ", ".join(f"{one.jetpack} ({one.tensorrt})" for one in board.software)
        lines.append(
            f"{board.name:22}{_number(board.memory_gb):>7}{_number(board.bandwidth_gb_s):>11}"
            f"{_number(board.fp32_tflops):>8}{_number(board.fp16_tflops):>8}{_number(board.int8_tops):>8}"
            f"{board.compute_capability or '-':>6}{board.dla or '-':>5}  {software or '-'}"
        )
    return [
        *(line.rstrip() for line in lines),
        "peaks are dense and the GPU's or CPU's alone, at the highest power mode; - is unknown or none, "
        "--board NAME says which",
    ]


def _prediction_table(predicted: dict[str, Any], chosen: tuple[Board, ...]) -> list[str]:
    width, height = predicted["frame_size"]
    precisions = list(next(iter(predicted["boards"].values())))
    as_if = ", others as if exported so" if len(precisions) > 1 else ""
    gmacs, mib = predicted["macs"] / 1e9, predicted["traffic_bytes"] / 2**20
    lines = [
        f"{predicted['model']} ({predicted['precision']}{as_if}), {width}x{height}: "
        f"{gmacs:.2f} GMAC and {mib:.0f} MiB of memory traffic a frame",
        f"{'predicted FPS':22}" + "".join(f"{precision:>18}" for precision in precisions),
    ]
    for board in chosen:
        cells = []
        for precision in precisions:
            speed = predicted["boards"][board.name][precision]
            cells.append("-" if speed is None else f"{_number(speed['fps'])} {speed['bound']}")
        lines.append(f"{board.name:22}" + "".join(f"{cell:>18}" for cell in cells))
    return [*lines, predicted["assumptions"]]


def _details(board: Board) -> list[str]:
    values = dataclasses.asdict(board)
    sources, notes = values.pop("sources"), values.pop("notes")
    values["software"] = ", ".join(f"JetPack {s.jetpack} (TensorRT {s.tensorrt})" for s in board.software)
    values["power_modes"] = ", ".join(board.power_modes)
    lines = [f"{name:20}{'-' if value in (None, '') else value}" for name, value in values.items()]
    lines += [f"source of {name}: {source}" for name, source in sources.items() if source]
    return [*lines, *(f"note: {note}" for note in notes)]


def _number(value: float | None) -> str:
    """Three digits that matter; "-" for what isn't known."""
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _lines(report: dict[str, Any]) -> list[str]:
    """A report for people: a line a value, tables below."""
    lines, tables = [], []
    for name, value in report.items():
        label = name.replace("_", " ")
        if isinstance(value, list) and _is_table(value):
            tables += [f"{label}:", *_rows(value)]
        elif isinstance(value, dict) and any(isinstance(inner, (dict, list)) for inner in value.values()):
            lines += [f"{label}:", *(f"  {line}" for line in _lines(value))]
        else:
            lines.append(f"{label:18} {_plain(value)}")
    return lines + tables


def _is_table(value: list[Any]) -> bool:
    """Whether a list has rows of the same columns, for what a stranger's manifest holds may be anything."""
    if not value or not isinstance(value[0], dict) or not value[0]:
        return False
    return all(isinstance(row, dict) and list(row) == list(value[0]) for row in value)


def _rows(table: list[dict[str, Any]]) -> list[str]:
    cells = [list(table[0]), *([_plain(value) for value in row.values()] for row in table)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    return [
        "  " + "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(inner)}" for key, inner in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_plain, value)) or "none"
    return "-" if value is None else f"{value:,}" if type(value) is int else str(value)
