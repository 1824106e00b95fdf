"""A run's folder that was damaged, or that a stranger made: one line says so, and what is good goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from unit_edge.errors import CheckpointError
from unit_edge.train.run.checkpoint import load_checkpoint, load_run_config, save_checkpoint
from unit_edge.train.run.log import RunLog


def test_bytes_in_the_log_that_are_no_text_cost_only_their_line(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    lines = [json.dumps({"step": step, "loss": 1.0}).encode() + b"\n" for step in range(1, 6)]
    log.write_bytes(b"".join([*lines[:2], b'{"step": 3, \xff\xfe}\n', *lines[3:], b'{"step": 2, "los']))
    opened = RunLog(tmp_path, 4, tensorboard=False)
    opened.scalars(5, {"loss": 2.0}, "loss")
    opened.close()
    assert [json.loads(line)["step"] for line in log.read_bytes().splitlines()] == [1, 2, 4, 5]


@pytest.mark.parametrize(
    "state",
    [
        '{"version": 1, "step": 1e300}',
        '{"version": 1, "step": -1}',
        '{"version": 1}',
        '{"version": 1, "step": "a"}',
        '{"version": 1, "step": 1, "skipped": 1e9}',
        '{"version": 1, "step": 1, "best": 3}',
        '{"version": 1, "step": 1, "best": [1]}',
        '{"version": [], "step": 1}',
        "[" * 100_000,
        "3",
        '"x"',
        '{"step": 1' + "0" * 5000 + "}",
    ],
)
def test_a_state_that_no_run_writes_is_one_line(state: str, tmp_path: Path) -> None:
    import torch

    save_checkpoint(tmp_path, 1, {"a": torch.zeros(1)}, {"skipped": 0}, 2)
    load_checkpoint(tmp_path)
    (tmp_path / "checkpoints" / "step-0000001" / "state.json").write_text(state)
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "settings", ["[" * 100_000, "3", '{"version": []}', '{"network": 3}', '{"preset": []}', ""]
)
def test_settings_that_no_run_writes_are_one_line(settings: Any, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(settings)
    with pytest.raises(CheckpointError) as caught:
        load_run_config(tmp_path)
    assert "\n" not in str(caught.value)
