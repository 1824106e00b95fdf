"""What an evaluation leaves behind: a table, a JSON file, a picture of best, median and worst samples."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from unit_edge.files.writing import write_output
from unit_edge.media.png import png_bytes
from unit_edge.train.data.decode import read_image
from unit_edge.train.evaluation.bootstrap import CONFIDENCE, RESAMPLES, Figure
from unit_edge.train.evaluation.metrics import WITHIN_LEVELS, Image, Translate
from unit_edge.train.evaluation.results import Evaluation, Sample

SCHEMA = 1
"""Version of the JSON file's format."""

MEANINGS = {
    "pixel_accuracy": ("pixel accuracy", 3, f"pixels within {WITHIN_LEVELS} of the true colour"),
    "kernel_distance": ("kernel distance", 4, "0: like the target's own images"),
    "kernel_distance_untranslated": ("  untranslated", 4, "of the images as they were"),
    "kernel_distance_ratio": ("  ratio", 2, "below 1: nearer than before"),
    "ratio_histogram_match": ("  of histogram matching", 2, "a baseline: no network"),
    "ratio_colour_transfer": ("  of colour transfer", 2, "a baseline: Reinhard et al. 2001"),
    "ratio_guide": ("  of the guide itself", 2, "what training was shown"),
    "ratio_others": ("  of real images", 2, "the target's, of training: as near as any come"),
    "edges_kept": ("edges kept", 3, "1: every edge is where it was"),
    "fid": ("FID", 1, "Inception, clean-fid; compares for as many images only"),
    "kid": ("KID x 1000", 2, "Inception, clean-fid, unbiased"),
    "stray_chroma": ("stray chroma", 2, "CIELAB, of regions, that the input doesn't explain"),
    "halo": ("halo", 2, "levels of 255, beside strong edges"),
    "level_dark": ("darkest tenth", 1, "levels of 255 that it has at most"),
    "level_dark_target": ("  of the target's", 1, "in its own images"),
    "level_bright": ("brightest tenth", 1, "levels of 255 that it has at least"),
    "level_bright_target": ("  of the target's", 1, "in its own images"),
    "level_brightest": ("brightest hundredth", 1, "levels of 255 that it has at least"),
    "level_brightest_target": ("  of the target's", 1, "in its own images"),
    "luminance_sky": ("brightness of the sky", 1, "levels of 255"),
    "luminance_sky_target": ("  of the target's", 1, "in its own images"),
    "luminance_road": ("brightness of the road", 1, "levels of 255"),
    "luminance_road_target": ("  of the target's", 1, "in its own images"),
    "detections_kept": ("detections kept", 3, "of the detector's boxes on the images"),
    "detections_invented": ("  invented", 3, "of its boxes on the translations"),
    "reconstruction_error": ("reconstruction error", 2, "levels of 255, of G(E(x))"),
    "cycle_error": ("cycle error", 2, "levels of 255, there and back"),
    "flicker": ("flicker", 2, "levels of 255, beside motion"),
    "flicker_input": ("  of the clip itself", 2, ""),
    "flicker_ratio": ("  ratio", 2, "1: as much as the clip itself"),
    "flicker_contrast_ratio": ("  ratio for contrast", 2, "each over its own contrast"),
}
"""Figure → what the table calls it, decimals, and what it means."""

ROWS = ("best", "median", "worst")
_CELL_WIDTH = 360, 480  # between these: a caption needs the space that a small picture doesn't
_GAP = 6
_LABEL_HEIGHT = 26
_PAPER = 255
_INK = (40, 40, 40)


def table(evaluation: Evaluation) -> str:
    """The figures of one direction, for a terminal."""
    rows = [("", "value", f"{100 * CONFIDENCE:.0f} % interval", "samples", "")]
    for name, figure in evaluation.figures.items():
        label, decimals, meaning = MEANINGS[name]
        value, low, high = (
            "-" if number is None or not math.isfinite(number) else f"{number:.{decimals}f}"
            for number in (figure.value, figure.low, figure.high)
        )
        interval = "-" if low == "-" else f"{low} to {high}"
        rows.append((label, value, interval, _count(name, figure), meaning))
    label_width, *widths = (max(len(row[column]) for row in rows) for column in range(4))
    lines = [f"{evaluation.source} to {evaluation.target}"]
    for label, *cells, meaning in rows:
        numbers = "  ".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
        lines.append(f"  {label:{label_width}}  {numbers}  {meaning}".rstrip())
    lines += [f"  note: {note}" for note in evaluation.notes]
    return "\n".join(lines)


def as_json(
    evaluations: list[Evaluation], about: dict[str, Any], sheets: list[Path | None]
) -> dict[str, Any]:
    """What the JSON file holds; a value that is no number is null.

    Args:
        evaluations: one a direction.
        about: what was evaluated, and the settings.
        sheets: the picture of each direction, or None.
    """
    directions = []
    for evaluation, sheet in zip(evaluations, sheets, strict=True):
        figures = {
            name: {
                "value": figure.value if math.isfinite(figure.value) else None,
                "low": figure.low,
                "high": figure.high,
                "count": figure.count,
                **({} if figure.against is None else {"against": figure.against}),
            }
            for name, figure in evaluation.figures.items()
        }
        samples = [
            {
                "image": str(sample.item),
                **({} if sample.truth is None else {"truth": str(sample.truth)}),
                **sample.scores,
            }
            for sample in evaluation.samples
        ]
        directions.append(
            {
                "source": evaluation.source,
                "target": evaluation.target,
                "figures": figures,
                "notes": evaluation.notes,
                "sheet": None if sheet is None else sheet.name,
                "ranked_by": evaluation.ranked_by if samples else None,
                "samples": samples,
            }
        )
    interval = {"confidence": CONFIDENCE, "resamples": RESAMPLES, "kind": "bootstrap, percentile"}
    return {"schema": SCHEMA, **about, "interval": interval, "directions": directions}


def json_line(result: dict[str, Any]) -> str:
    """The JSON without the single images, in one line."""
    directions = [{k: v for k, v in d.items() if k != "samples"} for d in result["directions"]]
    return json.dumps({**result, "directions": directions})


def write_json(path: Path, result: dict[str, Any]) -> None:
    """Writes a JSON file, whole or not at all.

    Raises:
        SinkError: it can't be written.
    """
    write_output(path, (json.dumps(result, indent=2) + "\n").encode())


def write_sheet(path: Path, evaluation: Evaluation, translate: Translate) -> None:
    """Writes a PNG with the best, the median and the worst sample: input, translation, and truth if any.

    Raises:
        SinkError: it can't be written.
        DataError: an image can't be read any more.
    """
    samples = evaluation.samples
    places = sorted({0, (len(samples) - 1) // 2, len(samples) - 1})
    names = ROWS if len(places) == len(ROWS) else (ROWS[0], ROWS[-1])
    rows = [
        _row(name, samples[place], evaluation, translate) for name, place in zip(names, places, strict=True)
    ]
    width = max(row.shape[1] for row in rows)
    rows = [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0)), constant_values=_PAPER) for row in rows]
    write_output(path, png_bytes(np.vstack(rows)))


def _row(name: str, sample: Sample, evaluation: Evaluation, translate: Translate) -> Image:
    image = read_image(sample.item)
    cells = [(evaluation.source, image), (f"to {evaluation.target}", translate(image))]
    if sample.truth is not None:
        cells.append((f"true {evaluation.target}", read_image(sample.truth)))
    width = min(max(image.shape[1], _CELL_WIDTH[0]), _CELL_WIDTH[1])
    height = max(1, round(image.shape[0] * width / image.shape[1]))
    size = (2 * _LABEL_HEIGHT + height + _GAP, len(cells) * (width + _GAP) + _GAP, 3)
    row = np.full(size, _PAPER, np.uint8)
    _write(
        row,
        f"{name}: {_scores(sample, evaluation.target)}  ({sample.item.path.name})",
        _GAP,
        _LABEL_HEIGHT - 8,
    )
    for column, (label, picture) in enumerate(cells):
        left = _GAP + column * (width + _GAP)
        _write(row, label, left, 2 * _LABEL_HEIGHT - 8)
        method = cv2.INTER_AREA if picture.shape[1] > width else cv2.INTER_CUBIC
        shrunk = cv2.resize(picture, (width, height), interpolation=method)
        row[2 * _LABEL_HEIGHT : 2 * _LABEL_HEIGHT + height, left : left + width] = shrunk
    return row


def _scores(sample: Sample, target: str) -> str:
    scores = sample.scores
    if "pixel_accuracy" in scores:
        first = f"{100 * scores['pixel_accuracy']:.1f} % of the pixels right"
    else:
        first = f"distance to {target} {scores['target_distance']:.2f} (real ones: 1.00)"
    return f"{first}, edges kept {scores['edges_kept']:.2f}"


def _write(row: Image, text: str, left: int, baseline: int) -> None:
    cv2.putText(row, text, (left, baseline), cv2.FONT_HERSHEY_SIMPLEX, 0.45, _INK, 1, cv2.LINE_AA)


def _count(name: str, figure: Figure) -> str:
    if name.startswith("detections"):
        return f"{figure.count} boxes"
    if name.startswith("flicker"):
        return f"{figure.count} pairs"
    return f"{figure.count}" if figure.against is None else f"{figure.count} / {figure.against}"
