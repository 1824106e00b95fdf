"""What a reader of an evaluation gets: the table, valid JSON, and a picture with the right images in it."""

from __future__ import annotations

import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from unit_edge.train.data.decode import ImageItem
from unit_edge.train.evaluation.bootstrap import Figure
from unit_edge.train.evaluation.report import MEANINGS, as_json, json_line, table, write_json, write_sheet
from unit_edge.train.evaluation.results import Evaluation, Sample

FIGURES = {
    "kernel_distance": Figure(0.04761, 0.02, 0.0755, 25, 28),
    "edges_kept": Figure(0.7377, None, None, 4),
    "flicker_ratio": Figure(math.nan, None, None, 99),
}


def test_the_table_has_values_intervals_and_counts() -> None:
    lines = table(Evaluation("day", "night", FIGURES, notes=["mind the gap"])).splitlines()
    assert lines[0] == "day to night"
    assert lines[2].split()[:8] == ["kernel", "distance", "0.0476", "0.0200", "to", "0.0755", "25", "/"]
    assert lines[3].split()[:5] == ["edges", "kept", "0.738", "-", "4"]
    assert lines[4].split()[1:5] == ["-", "-", "99", "pairs"]
    assert lines[5] == "  note: mind the gap"
    every = Evaluation("a", "b", dict.fromkeys(MEANINGS, Figure(123.456, 100.123, 150.123, 10_000, 10_000)))
    named = [
        (line, MEANINGS[name][2]) for line, name in zip(table(every).splitlines()[2:], MEANINGS, strict=True)
    ]
    assert len({line.index(meaning) for line, meaning in named if meaning}) == 1, "columns are aligned"


def test_json_is_valid_and_complete(tmp_path: Path) -> None:
    samples = [Sample(ImageItem(Path("a.png"), "left"), ImageItem(Path("b.png")), {"edges_kept": 0.5})]
    evaluation = Evaluation("day", "night", FIGURES, samples, ["mind"])
    result = as_json([evaluation], {"settings": {"seed": 3}}, [Path("out/day-to-night.png")])
    write_json(tmp_path / "e.json", result)
    read = json.loads((tmp_path / "e.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    assert read["schema"] == 1 and read["settings"] == {"seed": 3} and read["interval"]["confidence"] == 0.95
    (direction,) = read["directions"]
    assert direction["figures"]["kernel_distance"] == {
        "value": 0.04761,
        "low": 0.02,
        "high": 0.0755,
        "count": 25,
        "against": 28,
    }
    assert direction["figures"]["flicker_ratio"]["value"] is None
    assert direction["samples"] == [{"image": "a.png (left half)", "truth": "b.png", "edges_kept": 0.5}]
    assert (direction["sheet"], direction["notes"]) == ("day-to-night.png", ["mind"])
    line = json_line(result)
    assert "\n" not in line and "samples" not in json.loads(line)["directions"][0]
    assert [path.name for path in tmp_path.iterdir()] == ["e.json"]


def test_the_sheet_shows_best_median_and_worst(tmp_path: Path) -> None:
    samples = []
    for index, level in enumerate((40, 80, 120, 160, 200)):
        for name, value in ((f"{index}.png", level), (f"t{index}.png", level + 20)):
            assert cv2.imwrite(str(tmp_path / name), np.full((90, 160, 3), value, np.uint8))
        scores = {"pixel_accuracy": 1 - index / 5, "edges_kept": 0.5}
        samples.append(
            Sample(ImageItem(tmp_path / f"{index}.png"), ImageItem(tmp_path / f"t{index}.png"), scores)
        )

    def translate(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return image + np.uint8(10)

    write_sheet(tmp_path / "sheet.png", Evaluation("a", "b", {}, samples), translate)
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet is not None
    # rows are told apart by their middle pixels, columns by thirds
    assert shown(sheet) == [[40, 50, 60], [120, 130, 140], [200, 210, 220]]
    write_sheet(tmp_path / "two.png", Evaluation("a", "b", {}, samples[:2]), translate)
    sheet = cv2.imread(str(tmp_path / "two.png"))
    assert sheet is not None and shown(sheet) == [[40, 50, 60], [80, 90, 100]]


def shown(sheet: NDArray[np.generic]) -> list[list[int]]:
    """The grey levels of the pictures of a sheet with three columns, row by row."""
    rows: list[list[int]] = []
    width = sheet.shape[1]
    for line in sheet[:, [width // 6, width // 2, 5 * width // 6], 0].tolist():
        if max(line) < 230 and (not rows or rows[-1] != line):
            rows.append(line)
    return rows
