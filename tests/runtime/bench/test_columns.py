"""Tables of a benchmark on terminals that are narrower than they are."""

from __future__ import annotations

import pytest

from unit_edge.runtime.bench.report.columns import as_text

ROWS = [
    ["model", "backend", *(f"figure {k}" for k in range(9))],
    ["day2night-edge-s", "onnxruntime", *(f"{k}.5" for k in range(9))],
    ["day2night-edge-s", "openvino-bf16", *(f"{k}.25" for k in range(9))],
]
STAGES = [
    ["row", "stage", "mean ms", "p50", "share of the frame's time"],
    ["day2night-edge-s on openvino-bf16, fp32, batch 1, 640x272", "decode", "5.47", "3.09", "2%"],
    ["", "frame", "297.59", "266.40", ""],
    ["day2night-edge-s on onnxruntime, fp32, batch 1, 640x272", "decode", "4.47", "3.00", "3%"],
    ["", "frame", "298.59", "267.40", ""],
]


def test_a_table_that_fits_or_a_pipe_keeps_a_line_for_each_row() -> None:
    whole = as_text(ROWS)
    assert len(whole.splitlines()) == 3 == len(as_text(ROWS, 200).splitlines())
    assert [line.split("  ")[0] for line in whole.splitlines()] == [row[0] for row in ROWS]


@pytest.mark.parametrize("width", [80, 72, 50])
def test_columns_stand_under_their_heading_with_the_keys_again(width: int) -> None:
    text = as_text(ROWS, width, 2)
    assert max(map(len, text.splitlines())) <= width
    blocks = [block.splitlines() for block in text.split("\n\n")] if width > 66 else []
    for heading, *lines in blocks:
        for line, row in zip(lines, ROWS[1:], strict=True):
            assert line.startswith(f"{row[0]}  {row[1]}")
            for name in heading.split("  ")[2:]:
                if name.strip():
                    value = row[ROWS[0].index(name.strip())]
                    assert line[heading.index(name.strip()) :].startswith(value)
    for row in ROWS[1:]:
        assert all(text.count(value) == 1 for value in row[2:])


@pytest.mark.parametrize("width", [80, 40])
def test_a_key_that_is_long_stands_above_its_lines(width: int) -> None:
    lines = as_text(STAGES, width).splitlines()
    keys = [row[0] for row in STAGES[1:] if row[0]]
    assert [line for line in lines if " on " in line] == keys
    assert all(len(line) <= width for line in lines if line not in keys)
    first = lines[lines.index(keys[0]) : lines.index(keys[1])]
    assert any("297.59" in line for line in first) and not any("298.59" in line for line in first)
