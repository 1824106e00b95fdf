from __future__ import annotations

import json
from pathlib import Path

import pytest

from unit_edge.config import PRESETS, RunConfig, as_dict, from_dict, load_config, preset_network
from unit_edge.errors import ConfigError

DOMAINS = '[domain1]\nname = "a"\npaths = ["a"]\n[domain2]\nname = "b"\npaths = ["b"]\n'
CONFIGS = sorted((Path(__file__).parents[2] / "train" / "configs").glob("*.toml"))


def load(tmp_path: Path, text: str, *overrides: str) -> RunConfig:
    path = tmp_path / "run.toml"
    path.write_text(text)
    return load_config(path, list(overrides))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_bundled_settings_load_and_survive_json(path: Path) -> None:
    config = load_config(path)
    assert from_dict(json.loads(json.dumps(as_dict(config)))) == config


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[optim]\nstepz = 3\n", "unknown key optim.stepz"),
        ("[optim]\nsteps = 'many'\n", "optim.steps = 'many'"),
        ("[network]\nfront = [1, 2]\n", "network.front = "),
        ("[network]\nshared = 5\n", "network.shared = 5"),
        ("[network]\ndiscriminator = [8, 8]\n", "3 to 6 layers"),
        ("[loss]\ngan_loss = 'hinge'\n", "bce, least_squares"),
        ("[loss]\ncritic = 1.0\n", "network.critic is none"),
        ("[data]\ncrop = [130, 128]\n", "multiples of 4"),
        ("data = 3\n", "data = 3"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ConfigError, match=named.replace("[", r"\[")):
        load(tmp_path, text + DOMAINS if text.startswith("data =") else DOMAINS + text)


def test_missing_and_broken_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_config(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="not valid TOML"):
        load(tmp_path, "steps = = 3")
    with pytest.raises(ConfigError, match="domain1 is missing"):
        load(tmp_path, "")


def test_a_domain_is_not_translated_to_itself(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"domain2\.name"):
        load(tmp_path, DOMAINS.replace('"b"', '"a"'))


def test_overrides_come_last(tmp_path: Path) -> None:
    config = load(tmp_path, DOMAINS + "[optim]\nsteps = 5\n", "optim.steps=7", "domain1.name=dusk")
    assert config.optim.steps == 7
    assert config.domain1.name == "dusk"
    with pytest.raises(ConfigError, match="KEY=VALUE"):
        load(tmp_path, DOMAINS, "optim.steps")


def test_presets() -> None:
    assert preset_network("paper").residual_width == 512
    assert preset_network("paper").discriminator == (64, 128, 256, 512, 1024)
    assert preset_network("released").scales == 3
    assert [name for name in PRESETS if name.startswith("edge-")]
