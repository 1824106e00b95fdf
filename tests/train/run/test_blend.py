"""The mean of two weights of a run, against numpy's; what can't be blended is refused and nothing is left."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from unit_edge.config import RunConfig
from unit_edge.errors import CheckpointError, ConfigError
from unit_edge.train.networks import UNIT
from unit_edge.train.run.blend import blend
from unit_edge.train.run.checkpoint import (
    BEST,
    WEIGHTS,
    load_run_config,
    load_weights,
    save_config,
    save_weights,
)
from unit_edge.train.run.discriminators import DISCRIMINATORS


@pytest.fixture
def run(config: RunConfig, tmp_path: Path) -> Path:
    save_config(tmp_path / "run", config)
    for name in (WEIGHTS, BEST):
        save_weights(tmp_path / "run", UNIT(config.network), 3, name)
    return tmp_path / "run"


def test_it_lies_between_both(run: Path, tmp_path: Path) -> None:
    blend(run, tmp_path / "out", 0.25)
    last, best, made = (load_file(p) for p in (run / WEIGHTS, run / BEST, tmp_path / "out" / WEIGHTS))
    assert made.keys() == last.keys()
    for name, value in made.items():
        np.testing.assert_allclose(value, 0.25 * last[name] + 0.75 * best[name], atol=1e-6)
    assert any(np.abs(last[name] - best[name]).max() > 0.01 for name in last)
    load_weights(tmp_path / "out", load_run_config(tmp_path / "out"))


def test_it_lies_between_two_runs(run: Path, config: RunConfig, tmp_path: Path) -> None:
    other = tmp_path / "other"
    save_config(other, config)
    save_weights(other, UNIT(config.network), 3)
    blend(run, tmp_path / "out", 0.25, other)
    first, second, made = (load_file(p / WEIGHTS) for p in (run, other, tmp_path / "out"))
    for name, value in made.items():
        np.testing.assert_allclose(value, 0.25 * first[name] + 0.75 * second[name], atol=1e-6)
    assert any(np.abs(first[name] - second[name]).max() > 0.01 for name in first)


def test_damaged_discriminators_are_named_and_nothing_is_left(run: Path, tmp_path: Path) -> None:
    (run / DISCRIMINATORS).write_bytes(b"cut off")
    with pytest.raises(CheckpointError, match=r"discriminators\.safetensors: damaged .*; remove it to begin"):
        blend(run, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("share", "name"), [(1.0, WEIGHTS), (0.0, BEST)])
def test_its_ends_are_the_two(run: Path, tmp_path: Path, share: float, name: str) -> None:
    blend(run, tmp_path / "out", share)
    made, end = load_file(tmp_path / "out" / WEIGHTS), load_file(run / name)
    assert all((made[key] == end[key]).all() for key in end)


def test_what_can_not_be_blended(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"share 1\.5, expected 0"):
        blend(run, tmp_path / "out", 1.5)
    with pytest.raises(CheckpointError, match="there is a run already"):
        blend(run, run)
    weights = load_file(run / BEST)
    save_file({name: value[..., None] for name, value in weights.items()}, run / BEST)
    with pytest.raises(CheckpointError, match="weights of other networks"):
        blend(run, tmp_path / "out")
    (run / BEST).unlink()
    with pytest.raises(CheckpointError, match=r"best.safetensors: missing; train until the first evaluation"):
        blend(run, tmp_path / "out")
    assert not (tmp_path / "out").exists()
