"""A benchmark's files: JSON, CSV and Markdown, each whole or not at all."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unit_edge.errors import ConfigError
from unit_edge.files.writing import write_output
from unit_edge.runtime.bench.report.table import (
    DEFINITIONS,
    as_markdown,
    remarks,
    stage_table,
    tabulate,
)

_LEFT_OUT = ("histogram",)


def check_path(path: Path) -> None:
    """Raises ConfigError if a file can't be written there, before anything is measured."""
    if not path.absolute().parent.is_dir():
        raise ConfigError(f"{path}: there is no folder {path.parent}; make it first")
    if path.is_dir():
        raise ConfigError(f"{path}: is a folder; expected the name of a file")


def write_json(path: Path, report: dict[str, Any]) -> Path:
    """The whole benchmark; returns where it is, as the others do."""
    write_output(path, (json.dumps(report) + "\n").encode())
    return path


def write_csv(path: Path, report: dict[str, Any]) -> Path:
    """A line for each row, a column for each figure that any of them has: `model_only.latency_ms.p50`."""
    flat = [dict(_flat(row)) for row in report["rows"]]
    columns = list(dict.fromkeys(name for row in flat for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="")
    writer.writeheader()
    writer.writerows(flat)
    write_output(path, text.getvalue().encode())
    return path


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key not in _LEFT_OUT:
                yield from _flat(item, f"{name}.{key}" if name else key)
    elif name == "frame_size":
        yield name, "{}x{}".format(*value)
    else:
        yield name, "; ".join(map(str, value)) if isinstance(value, list) else value


def write_markdown(path: Path, report: dict[str, Any], plots: list[Path]) -> Path:
    """A page for people, with the plots if there are any."""
    machine = ", ".join(
        f"{name.replace('_', ' ')} {_short(value)}" for name, value in report["machine"].items()
    )
    settings = ", ".join(f"{name} {value}" for name, value in report["settings"].items())
    parts = ["# Benchmark", f"{report['made']}. {machine}.", f"Settings: {settings}.", *DEFINITIONS]
    for table in (tabulate(report["rows"]), stage_table(report["rows"])):
        if len(table) > 1:
            parts.append(as_markdown(table))
    for heading, lines in remarks(report):
        parts.append("\n".join([f"**{heading}**", "", *(f"- {line}" for line in lines)]))
    parts += [f"![{plot.stem}]({plot.name})" for plot in plots]
    write_output(path, ("\n\n".join(parts) + "\n").encode())
    return path


def _short(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:.3g}" if isinstance(value, float) else str(value)
