from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from unit_edge.config import PRESETS, RunConfig, as_dict
from unit_edge.errors import CheckpointError
from unit_edge.train.networks import UNIT
from unit_edge.train.run import checkpoint


def test_weights_come_back(config: RunConfig, tmp_path: Path) -> None:
    unit = UNIT(config.network)
    checkpoint.save_weights(tmp_path, unit, 7)
    given = checkpoint.load_weights(tmp_path, config).state_dict()
    assert all(torch.equal(value, given[name]) for name, value in unit.state_dict().items())


def test_missing_damaged_and_other_weights(config: RunConfig, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="missing"):
        checkpoint.load_weights(tmp_path, config)
    checkpoint.save_weights(tmp_path, UNIT(config.network), 7)
    other = replace(config, network=replace(config.network, residual_width=12))
    with pytest.raises(CheckpointError, match="other networks"):
        checkpoint.load_weights(tmp_path, other)
    path = tmp_path / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="damaged"):
        checkpoint.load_weights(tmp_path, config)


def test_only_the_newest_checkpoints_stay(tmp_path: Path) -> None:
    for step in (1, 2, 3, 4):
        checkpoint.save_checkpoint(tmp_path, step, {"x": torch.tensor([step])}, {}, 2)
    names = [path.name for path in sorted((tmp_path / "checkpoints").iterdir())]
    assert names == ["step-0000003", "step-0000004"]
    tensors, state = checkpoint.load_checkpoint(tmp_path)
    assert tensors["x"].item() == state["step"] == 4


def test_a_failed_save_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint.save_checkpoint(tmp_path, 1, {"x": torch.tensor([1])}, {}, 2)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(CheckpointError, match="No space left"):
        checkpoint.save_checkpoint(tmp_path, 2, {"x": torch.tensor([2])}, {}, 2)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-0000001"]


def test_not_a_run(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="not a run"):
        checkpoint.load_run_config(tmp_path)
    with pytest.raises(CheckpointError, match="no checkpoint"):
        checkpoint.load_checkpoint(tmp_path)


def test_a_newer_format_is_refused(config: RunConfig, tmp_path: Path) -> None:
    checkpoint.save_config(tmp_path, config)
    checkpoint.save_checkpoint(tmp_path, 1, {"x": torch.tensor([1])}, {}, 2)
    for path in (tmp_path / "config.json", tmp_path / "checkpoints" / "step-0000001" / "state.json"):
        path.write_text(json.dumps({**json.loads(path.read_text()), "version": 2}))
    with pytest.raises(CheckpointError, match=r"config.json: version 2 of the format.*update unit-edge"):
        checkpoint.load_run_config(tmp_path)
    with pytest.raises(CheckpointError, match=r"step-0000001: version 2 of the format.*update unit-edge"):
        checkpoint.load_checkpoint(tmp_path)


def test_settings_of_runs_before_the_version_was_written_are_read(config: RunConfig, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(as_dict(config)))
    assert checkpoint.load_run_config(tmp_path) == config


def test_a_run_from_before_its_preset_changed_keeps_its_networks(config: RunConfig, tmp_path: Path) -> None:
    saved = as_dict(replace(config, preset="edge-s", network=replace(config.network, stem="full")))
    del saved["network"]["stem"], saved["network"]["output"], saved["network"]["dilations"]
    (tmp_path / "config.json").write_text(json.dumps(saved))
    assert PRESETS["edge-s"]["stem"] == "half"
    network = checkpoint.load_run_config(tmp_path).network
    assert (network.stem, network.output, network.dilations) == ("full", "full", ())


def test_spared_checkpoints_stay(tmp_path: Path) -> None:
    for step in range(1, 6):
        checkpoint.save_checkpoint(tmp_path, step, {"x": torch.tensor([step])}, {}, 1, spare=(2,))
    assert [path.name for path in checkpoint.checkpoints(tmp_path)] == ["step-0000002", "step-0000005"]


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    checkpoint.save_checkpoint(tmp_path, 1, {"x": torch.tensor([1])}, {}, 2)
    before = sorted(tmp_path.rglob("*"))
    leftover = tmp_path / "checkpoints" / ".step-0000002.77.tmp"
    leftover.mkdir()
    (leftover / "training.safetensors").write_bytes(b"half")
    (tmp_path / ".weights.safetensors.77.tmp").write_bytes(b"half")
    (tmp_path / ".tmpLo3kd6").write_bytes(b"half")  # safetensors 0.8 writes through such a file
    checkpoint.remove_leftovers(tmp_path)
    assert sorted(tmp_path.rglob("*")) == before
