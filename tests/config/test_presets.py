"""A preset is the whole recipe; what a file says goes before it, and saved runs don't depend on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from unit_edge.config import PRESETS, DataConfig, LossConfig, OptimConfig, as_dict
from unit_edge.settings import from_dict, from_saved, load_config

pytest.importorskip("tomllib", reason="Python 3.11 or tomli")
CONFIGS = Path(__file__).parents[2] / "train" / "configs"
DOMAINS = {"domain1": {"name": "a", "paths": ["a"]}, "domain2": {"name": "b", "paths": ["b"]}}


def test_edge_s_is_what_the_shipped_recipe_for_a_cpu_writes_out() -> None:
    """train/configs/day-night.toml says every value; without its file they come from the preset."""
    written = load_config(CONFIGS / "day-night.toml")
    preset = from_dict({"preset": "edge-s", **DOMAINS})
    assert preset.data == written.data
    assert preset.optim == written.optim
    assert preset.loss == replace(written.loss, feature_gan=0.0)  # which needs the imagenet extra


def test_what_a_file_says_goes_before_the_preset() -> None:
    config = from_dict({"preset": "edge-s", **DOMAINS, "data": {"crop": [224, 128]}, "loss": {"gan": 2.0}})
    assert (config.data.crop, config.data.short_side) == ((224, 128), (136, 168))
    assert (config.loss.gan, config.loss.cycle) == (2.0, 10.0)


@pytest.mark.parametrize("preset", ["paper", "released"])
def test_the_papers_presets_have_the_papers_values(preset: str) -> None:
    config = from_dict({"preset": preset, **DOMAINS})
    assert (config.data, config.loss, config.optim) == (DataConfig(), LossConfig(), OptimConfig())
    assert (config.data.crop, config.loss.reconstruction, config.loss.gan) == ((640, 480), 100.0, 10.0)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_saved_run_is_what_it_was(preset: str) -> None:
    """A key that it lacks is younger than it, and means what it meant then: the default."""
    saved = as_dict(
        from_dict({"preset": preset, **DOMAINS, "data": {"crop": [640, 480]}, "loss": {"kl": 0.1}})
    )
    assert as_dict(from_saved(saved)) == saved
    for table, default in (("data", DataConfig()), ("loss", LossConfig()), ("optim", OptimConfig())):
        assert getattr(from_saved({**saved, table: {}}), table) == default
