"""What a fleet has done, for people and programs."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from unit_edge.errors import ConfigError
from unit_edge.files.writing import check_writable, write_output
from unit_edge.runtime.fleet.items import Outcome
from unit_edge.text.printable import printable

_SLOWEST = 10
_KINDS = (".json", ".html")


@dataclass
class Report:
    """A run of a fleet.

    Attributes:
        source, destination: as given, without secrets.
        model: its name.
        total: items of the source.
        skipped: that were at the destination already.
        outcomes: what became of the others.
        seconds: from the first worker's start to the end.
        stopped: the user ended it before it was done.
        stopped_by: the signal, or 0.
    """

    source: str
    destination: str
    model: str
    total: int
    skipped: int = 0
    outcomes: list[Outcome] = field(default_factory=list)
    seconds: float = 0.0
    stopped: bool = False
    stopped_by: int = 0

    @property
    def done(self) -> list[Outcome]:
        """Those at the destination."""
        return [one for one in self.outcomes if not one.error and not one.stopped]

    @property
    def failed(self) -> list[Outcome]:
        """Those with an error."""
        return [one for one in self.outcomes if one.error]

    @property
    def frames(self) -> int:
        """Translated in this run, of what is at the destination."""
        return sum(one.frames for one in self.done)

    def content(self) -> dict[str, Any]:
        """The report as JSON has it."""
        slowest = sorted(self.done, key=lambda one: -one.seconds)[:_SLOWEST]
        return {
            "format": 1,
            "source": self.source,
            "destination": self.destination,
            "model": self.model,
            "clips": {
                "total": self.total,
                "done": len(self.done),
                "skipped": self.skipped,
                "failed": len(self.failed),
            },
            "stopped": self.stopped,
            "frames": self.frames,
            "seconds": round(self.seconds, 3),
            "fps": round(self.frames / self.seconds, 2) if self.seconds else 0.0,
            "nodes": _nodes(self.done),
            "slowest": [
                {key: asdict(one)[key] for key in ("name", "frames", "seconds", "node")} for one in slowest
            ],
            "failures": [
                {key: asdict(one)[key] for key in ("name", "error", "node", "kills")} for one in self.failed
            ],
        }

    def write(self, path: Path) -> None:
        """Writes it as what the name says.

        Raises:
            SinkError: it can't be written.
        """
        text = json.dumps(self.content(), indent=1) if path.suffix.lower() == ".json" else self._page()
        write_output(path, (text + "\n").encode())

    def _page(self) -> str:
        about = self.content()
        clips = about["clips"]
        facts = {
            "source": about["source"],
            "destination": about["destination"],
            "model": about["model"],
            "clips": f"{clips['total']}: {clips['done']} done, {clips['skipped']} there before, "
            f"{clips['failed']} failed",
            "frames": f"{about['frames']} in {about['seconds']:.1f} s, {about['fps']:.1f} FPS",
        }
        parts = [
            "<!doctype html><html lang=en><meta charset=utf-8><title>unit-edge fleet</title>",
            "<style>body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}"
            "table{border-collapse:collapse;margin:.5rem 0 1.5rem}td,th{padding:.2rem .8rem .2rem 0;"
            "text-align:left;vertical-align:top;border-bottom:1px solid #ccc;overflow-wrap:anywhere}</style>",
            "<h1>unit-edge fleet</h1>",
            _table((), list(facts.items())),
        ]
        for title, rows in (
            ("Failures", about["failures"]),
            ("Nodes", about["nodes"]),
            ("Slowest clips", about["slowest"]),
        ):
            if rows:
                parts += [f"<h2>{title}</h2>", _table(tuple(rows[0]), [tuple(row.values()) for row in rows])]
        return "\n".join(parts)


def check_report(path: Path) -> None:
    """Raises ConfigError, or SinkError, unless a report can be written there."""
    if path.suffix.lower() not in _KINDS:
        raise ConfigError(f"--report {path}: expected a name that ends in .json or .html")
    check_writable(path)


def _nodes(done: Sequence[Outcome]) -> list[dict[str, Any]]:
    rows = []
    parts = [part for one in done for part in one.parts or (one,)]
    for node in sorted({one.node for one in parts}):
        there = [one for one in parts if one.node == node]
        frames, seconds = sum(one.frames for one in there), sum(one.seconds for one in there)
        rows.append(
            {
                "node": node,
                "clips": len({one.name for one in there}),
                "frames": frames,
                "worker_seconds": round(seconds, 3),
                "fps_a_worker": round(frames / seconds, 2) if seconds else 0.0,
            }
        )
    return rows


def _table(heads: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> str:
    def row(cells: tuple[Any, ...], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{_cell(cell)}</{tag}>" for cell in cells) + "</tr>"

    lines = [row(heads, "th")] if heads else []
    return "<table>" + "".join(lines + [row(cells, "td") for cells in rows]) + "</table>"


def _cell(value: Any) -> str:
    return html.escape(printable(f"{value:.1f}" if isinstance(value, float) else str(value)))
