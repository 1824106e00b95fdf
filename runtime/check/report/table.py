"""A check's figures as text: what is printed, and the tables of the HTML page."""

from __future__ import annotations

from typing import Any

from unit_edge.runtime.check.intervals import CONFIDENCE
from unit_edge.runtime.check.section import TableRows

INTERVAL = f"{100 * CONFIDENCE:.0f} %"


def figure_text(figure: dict[str, float | None], *, interval: bool = True) -> str:
    """ "0.61 (0.55-0.66)", or "-" where there is nothing to divide by."""
    if figure["value"] is None:
        return "-"
    text = f"{figure['value']:.2f}"
    if interval and figure["low"] is not None:
        text += f" ({figure['low']:.2f}-{figure['high']:.2f})"
    return text


def detection_rows(result: dict[str, Any], *, sizes_of_classes: bool = False) -> TableRows:
    """A header, and a row for all, each size, and each class, those with the most boxes first."""
    rows = [["class", "size", "boxes", f"kept ({INTERVAL})", "lost", f"invented ({INTERVAL})", "confidence"]]
    groups = result["groups"]
    whole = [group for group in groups if group["class"] == "all"]
    classes = [g for g in groups if g["class"] != "all" and (sizes_of_classes or g["size"] == "all")]
    totals = {g["class"]: g["before"] + g["after"] for g in groups if g["size"] == "all"}
    classes.sort(key=lambda group: (-totals[group["class"]], group["class"]))
    for group in [*whole, *classes]:
        confidence = [
            figure_text(group[f"confidence_{when}"], interval=False) for when in ("before", "after")
        ]
        rows.append(
            [
                group["class"],
                group["size"],
                f"{group['before']} -> {group['after']}",
                figure_text(group["kept_share"]),
                _lost_text(group),
                f"{group['invented']}: {figure_text(group['invented_share'])}",
                " -> ".join(confidence),
            ]
        )
    return rows


def _lost_text(group: dict[str, Any]) -> str:
    """ "12 (3 faded, 1 renamed)", without what there is none of."""
    parts = [f"{group[what]} {what}" for what in ("faded", "renamed") if group[what]]
    return f"{group['lost']} ({', '.join(parts)})" if parts else str(group["lost"])


def as_text(rows: TableRows) -> list[str]:
    """Columns beneath each other."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
