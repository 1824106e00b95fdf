"""What became of each picture: a line each while it runs, `dataset.json` in the end."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from unit_edge.errors import SinkError
from unit_edge.files.typed import build
from unit_edge.files.writing import open_unlinked, write_output

NAME = "dataset.json"
_JOURNAL = ".dataset.jsonl"
SCHEMA = 1


@dataclass(frozen=True)
class Entry:
    """One picture of the new data set, or one that was left out.

    Attributes:
        source: the name that it had.
        file: the name that it has; None if it was left out.
        target: domain that it was translated to; None if it was taken over as it was.
        model: name of the model.
        sha256: of the model.
        seed: that decided whether and to what it was translated.
        kept: share of the detector's boxes that the translation keeps; None without detector or boxes.
        passed: whether that is enough.
        least: the share that was asked for; None without detector.
    """

    source: str
    file: str | None
    target: str | None
    model: str | None
    sha256: str | None
    seed: int
    kept: float | None = None
    passed: bool = True
    least: float | None = None


class Journal:
    """A line of JSON for each picture that is done, so that an interrupted run can be gone on with."""

    def __init__(self, folder: Path, *, resume: bool) -> None:
        """Reads what earlier runs have made; only entries whose file is still there count.

        With `resume` these are `done`, else all of it is made anew.
        """
        self._path = folder / _JOURNAL
        self.done: dict[tuple[str, str | None, str | None], Entry] = {}
        self.earlier = self._read(folder)
        for entry in self.earlier if resume else ():
            self.done[entry.source, entry.target, entry.sha256] = entry
        try:
            flags = os.O_WRONLY | (os.O_APPEND if resume else os.O_TRUNC)
            self._file = os.fdopen(open_unlinked(self._path, flags), "a", encoding="utf-8")
        except OSError as error:
            raise SinkError(f"{self._path}: can't be written ({error.strerror or error})") from None

    def _read(self, folder: Path) -> list[Entry]:
        found = []
        for path, parse in ((folder / NAME, _of_json), (self._path, _of_lines)):
            if path.is_file():
                found += [e for e in parse(path) if e.file is None or (folder / e.file).is_file()]
        return found

    def add(self, entry: Entry) -> None:
        self._file.write(json.dumps(asdict(entry)) + "\n")
        self._file.flush()

    def close(self, *, finished: bool) -> None:
        """`finished` where dataset.json has all of it."""
        self._file.close()
        if finished:
            self._path.unlink(missing_ok=True)


def write_record(
    folder: Path, about: dict[str, Any], entries: Sequence[Entry], others: Sequence[Entry]
) -> None:
    """Writes a data set's dataset.json; `others` are of an earlier run, and there, but not of this set.

    Raises:
        SinkError: it can't be written.
    """
    content = {"schema": SCHEMA, **about, "pictures": [asdict(entry) for entry in entries]}
    if others:
        content["others"] = [asdict(entry) for entry in others]
    write_output(folder / NAME, (json.dumps(content, indent=1) + "\n").encode())


def _of_json(path: Path) -> list[Entry]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return [build(Entry, entry) for entry in [*content.get("others", ()), *content["pictures"]]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []


def _of_lines(path: Path) -> list[Entry]:
    found = []
    for line in path.read_bytes().splitlines():
        with suppress(ValueError, RecursionError):  # the line that a crash cut off
            found.append(build(Entry, json.loads(line)))
    return found
