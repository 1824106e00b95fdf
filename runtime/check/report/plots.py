"""The curve over confidence thresholds, as PNG. Needs matplotlib, of the check extra."""

from __future__ import annotations

import io
from typing import Any

_DPI = 110
_COLOURS = {"kept_share": "#228833", "invented_share": "#aa3377"}
_LABELS = {
    "kept_share": "kept, of the input's boxes",
    "invented_share": "invented, of the translation's boxes",
}


def curve_png(curve: list[dict[str, Any]], confidence: float) -> bytes:
    """Shares kept and invented over the confidence threshold, with their intervals as bands."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), layout="constrained")
    axis: Any = figure.subplots()
    for name, colour in _COLOURS.items():
        points = [(p["confidence"], p[name]) for p in curve if p[name]["value"] is not None]
        axis.plot([x for x, _ in points], [p["value"] for _, p in points], color=colour, label=_LABELS[name])
        band = [(x, p["low"], p["high"]) for x, p in points if p["low"] is not None]
        if band:
            axis.fill_between(*zip(*band, strict=True), color=colour, alpha=0.15, linewidth=0)
    axis.axvline(
        confidence, color="black", linestyle=":", linewidth=1, label=f"the tables' threshold, {confidence}"
    )
    axis.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence threshold", ylabel="share of boxes")
    axis.grid(linewidth=0.3)
    counts = axis.twinx()
    counts.plot(
        [p["confidence"] for p in curve],
        [p["before"] for p in curve],
        color="#999999",
        linewidth=1,
        linestyle="--",
    )
    counts.set_ylim(bottom=0)
    counts.set_ylabel("boxes of the input (dashed)", color="#777777")
    axis.legend(fontsize=8, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1))
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=_DPI)
    return content.getvalue()
