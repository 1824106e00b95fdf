"""Two benchmarks of the same things: what became slower, and whether that is more than their scatter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from unit_edge.runtime.bench.report.table import title

_SETUP = ("processor", "board", "cores", "gpus", "power_mode", "system")


@dataclass(frozen=True)
class Change:
    """The change of one row, or of one figure of it.

    Attributes:
        row: which, for people.
        figure: "model only" or "end to end".
        ratio: new FPS over old; None if one of them is missing.
        verdict: "slower", "faster", "same", "failed" (it ran before), "missing" or "new".
    """

    row: str
    figure: str
    ratio: float | None
    verdict: str

    @property
    def regression(self) -> bool:
        return self.verdict in ("slower", "failed")


def compare(old: dict[str, Any], new: dict[str, Any], tolerance: float) -> list[Change]:
    """The changes from one benchmark's JSON to another's, row by row.

    A row is slower if its FPS fell by more than `tolerance` (a share), and the quartiles of its latency (or
    of its rounds' FPS) don't overlap the old ones: what scatters that much is no proof.
    """
    before = {title(row): row for row in old["rows"]}
    after = {title(row): row for row in new["rows"]}
    changes = []
    for name in {**before, **after}:
        if name not in before or name not in after:
            changes.append(
                Change(
                    row=name, figure="model only", ratio=None, verdict="missing" if name in before else "new"
                )
            )
            continue
        for figure, key in (("model only", "model_only"), ("end to end", "end_to_end")):
            then, now = before[name].get(key), after[name].get(key)
            if then is not None and now is not None:
                changes.append(_change(name, figure, then, now, tolerance))
            elif then is not None:
                verdict = "failed" if after[name]["failed"] else "missing"
                changes.append(Change(row=name, figure=figure, ratio=None, verdict=verdict))
    return changes


def _change(name: str, figure: str, then: dict[str, Any], now: dict[str, Any], tolerance: float) -> Change:
    ratio = now["fps"] / then["fps"]
    (old_low, old_high), (new_low, new_high) = _quartiles(then), _quartiles(now)
    apart = new_low > old_high or new_high < old_low
    verdict = "same"
    if apart and ratio < 1 - tolerance:
        verdict = "slower"
    elif apart and ratio > 1 + tolerance:
        verdict = "faster"
    return Change(row=name, figure=figure, ratio=ratio, verdict=verdict)


def _quartiles(figures: dict[str, Any]) -> tuple[float, float]:
    if "latency_ms" in figures:
        return figures["latency_ms"]["p25"], figures["latency_ms"]["p75"]
    low, high = np.percentile(figures["round_fps"], (25, 75))
    return float(low), float(high)


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """What makes two benchmarks hard to compare: machines, settings, model files, what spoilt them."""
    found = []
    for name, report in (("old", old), ("new", new)):
        rows = [row for row in report["rows"] if row["spoilers"]]
        if rows:
            found.append(
                f"{name}: {len(rows)} of {len(report['rows'])} rows spoilt: {rows[0]['spoilers'][0]}"
            )
    for part, names in (("machine", _SETUP), ("settings", tuple(old["settings"]))):
        for name in names:
            then, now = (report[part].get(name) for report in (old, new))
            if then != now:
                found.append(f"{name}: {then} then, {now} now")
    files = {title(row): row["sha256"] for row in old["rows"]}
    for row in new["rows"]:
        if files.get(title(row), row["sha256"]) != row["sha256"]:
            found.append(f"{title(row)}: another model file")
    return found
