"""Runs whose files have the names of before unit_edge/config/renamed.py are read as they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tiny import CPU
from torch import Tensor

from unit_edge.train.adapt.state import AdaptState, load_adaptation, load_run_settings
from unit_edge.train.group import Group
from unit_edge.train.run.checkpoint import load_run_config, load_weights
from unit_edge.train.state import TrainingState

LAYOUTS = Path(__file__).with_name("runs_of_0.1.json")
"""Of a run of `train` and of one of `adapt`: config.json, state.json, and each tensor's name and shape."""


def write_run(run: Path, kind: str) -> dict[str, Tensor]:
    """Writes an old run with random weights; returns the tensors of its checkpoint."""
    old: dict[str, Any] = json.loads(LAYOUTS.read_text())[kind]
    numbers = torch.Generator().manual_seed(3)
    tensors = {
        name: torch.full(shape, 6) if "batches_tracked" in name else torch.rand(shape, generator=numbers)
        for name, shape in old["tensors"].items()
    }
    folder = run / "checkpoints" / "step-0000006"
    folder.mkdir(parents=True)
    save_file(tensors, folder / "training.safetensors")
    (folder / "state.json").write_text(json.dumps(old["state"]))
    (run / "config.json").write_text(json.dumps(old["config"]))
    averages = {k.removeprefix("average."): v for k, v in tensors.items() if k.startswith("average.")}
    save_file(averages, run / "weights.safetensors")
    return tensors


def assert_restored(module: torch.nn.Module, tensors: dict[str, Tensor], prefix: str) -> None:
    own = {name: value for name, value in module.state_dict().items() if "projection.features" not in name}
    given = [value for name, value in tensors.items() if name.startswith(prefix)]
    assert len(own) == len(given) > 0
    # names differ, so the contents say which is which
    assert {value.numpy().tobytes() for value in own.values()} == {x.numpy().tobytes() for x in given}


def test_a_training_goes_on(tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite_pytorch", reason='needs pip install "unit-edge[imagenet]"')
    tensors = write_run(tmp_path, "train")
    config = load_run_config(tmp_path)
    state = TrainingState(config, Group(CPU))
    state.restore(tmp_path)
    assert state.step == 6 and state.warm_up is None
    assert_restored(state.unit, tensors, "unit.")
    assert_restored(state.ema, tensors, "average.")
    assert_restored(state.adversaries, tensors, "adversaries.")
    assert_restored(load_weights(tmp_path, config), tensors, "average.")
    for side, optimiser in zip("gd", state.optimisers, strict=True):
        moments = [value for values in optimiser.state_dict()["state"].values() for value in values.values()]
        assert len(moments) == len([name for name in tensors if name.startswith(f"optimiser_{side}.")])


def test_an_adaptation_goes_on(tmp_path: Path) -> None:
    tensors = write_run(tmp_path, "adapt")
    config = load_run_settings(tmp_path)
    state = AdaptState(config, CPU)
    state.restore(tmp_path)
    assert state.step == 6
    assert_restored(state.nets, tensors, "nets.")
    assert_restored(state.ema, tensors, "average.")
    assert_restored(load_adaptation(tmp_path, config), tensors, "average.")
