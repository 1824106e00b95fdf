"""A check's files: JSON, CSV, PNG and the HTML page, made in memory first, then each whole or not at all."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from unit_edge.errors import SinkError
from unit_edge.files.writing import write_output
from unit_edge.runtime.check.part import Answer, Table
from unit_edge.runtime.check.report.page import page

SCHEMA = 1
"""Version of the JSON file's format."""


def prepare_folder(folder: Path) -> None:
    """Makes sure, before the work begins, that files can be written there; makes no folder that isn't needed.

    Raises:
        SinkError: it is a file, or can't be written to.
    """
    if folder.exists() and not folder.is_dir():
        raise SinkError(f"{folder}: is a file; expected a folder for the report, with -o")
    is_new = not folder.exists()
    probe = folder / ".check.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
        if is_new:
            folder.rmdir()
    except OSError as error:
        raise SinkError(f"{folder}: no folder that can be written to ({error.strerror or error})") from None


def write_report(
    folder: Path,
    title: str,
    about: dict[str, Any],
    summary: list[str],
    answers: dict[str, Answer],
    notes: list[str],
    faults: list[str],
) -> list[Path]:
    """Writes all files; returns where they are, the page first.

    Args:
        folder: is made if need be; files of an earlier check are replaced.
        title: of the page.
        about: what was compared with what, for JSON.
        summary: the same for people.
        answers: by the name of their part.
        notes: what a reader of the figures must know.
        faults: what couldn't be compared.

    Raises:
        SinkError: they can't be written.
    """
    figures = {name: answer.figures for name, answer in answers.items()}
    sections = [section for answer in answers.values() for section in answer.sections]
    result = {"schema": SCHEMA, **about, **figures, "notes": notes, "left_out": faults}
    files = {
        "check.html": page(title, summary, sections, notes, faults).encode(),
        "check.json": (json.dumps(result, indent=2) + "\n").encode(),
    }
    for answer in answers.values():
        files |= {name: _csv(rows) for name, rows in answer.tables.items()}
    files |= {picture.name: picture.content for section in sections for picture in section.pictures}
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SinkError(f"{folder}: this folder can't be made ({error.strerror or error})") from None
    for name, content in files.items():
        write_output(folder / name, content)
    return [folder / name for name in files]


def json_line(about: dict[str, Any], answers: dict[str, Answer]) -> str:
    """The totals as JSON in one line, for programs that read the end of stdout."""
    short = {}
    for name, answer in answers.items():
        short[name] = {k: v for k, v in answer.figures.items() if k not in ("groups", "curve", "worst")}
        if groups := answer.figures.get("groups"):
            short[name]["all"] = groups[0]
    return json.dumps({"schema": SCHEMA, **about, **short})


def _csv(rows: Table) -> bytes:
    text = io.StringIO()
    columns = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(text, columns, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
