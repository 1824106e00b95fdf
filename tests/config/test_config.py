from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from unit_edge.config import PRESETS, RunConfig, as_dict, preset_network
from unit_edge.errors import ConfigError
from unit_edge.settings import from_dict, load_config

DOMAINS = '[domain1]\nname = "a"\npaths = ["a"]\n[domain2]\nname = "b"\npaths = ["b"]\n'
DIGITS = 'preset = "digits"'  # of `unit-edge adapt`, see tests/cli/test_adapt.py
CONFIGS = [
    path
    for path in sorted((Path(__file__).parents[2] / "train" / "configs").glob("*.toml"))
    if DIGITS not in path.read_text()
]


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
        ("[loss]\nfeature_gan = 1.0\n", "network.feature_discriminator is none"),
        ("[data]\ncrop = [130, 128]\n", "multiples of 4"),
        ("data = 3\n", "data = 3"),
        ("[optim]\nsteps = 3.5\n", "optim.steps = 3.5, expected a value of type int"),
        ("[optim]\nsteps = true\n", "optim.steps = True"),
        ("[optim]\nlr = -1.0\n", "optim.lr = -1.0"),
        ("[optim]\nlr = nan\n", "optim.lr = nan"),
        ("[optim]\nlr_discriminator = 0.0\n", "optim.lr_discriminator = 0.0"),
        ("[optim]\nwarmup_lr = 0.0\n", "optim.warmup_lr = 0.0"),
        ("[optim]\nwarmup_steps = -1\n", "optim.warmup_steps = -1"),
        ("[optim]\nbetas = [0.5, 1.0]\n", "optim.betas = (0.5, 1.0)"),
        ("[optim]\nema = 1.0\n", "optim.ema = 1.0"),
        ("[network]\nspectral_norm = 1\n", "network.spectral_norm = 1"),
        ("[network]\nfront = 64\n", "network.front = 64, expected a list"),
        ("[network]\nfront = [1, 2, 'x']\n", "network.front = 'x'"),
        ("[network]\nresidual_blocks = 2\nshared = 3\n", "network.shared = 3, expected 0 to 2"),
        ("[network]\nout_kernel = 4\n", "network.out_kernel = 4"),
        ("[network]\nout_kernel = -1\n", "network.out_kernel = -1"),
        ("[network]\ndiscriminator = [8, 0, 8]\n", "network.discriminator = (8, 0, 8)"),
        ("[network]\ndiscriminator_kernel = 0\n", "network.discriminator_kernel = 0"),
        ("[loss]\nkl = -0.1\n", "loss.kl = -0.1"),
        ("[data]\nshort_side = [9, 8]\n", "data.short_side = (9, 8)"),
        ("[data]\nvalidation = 1.0\n", "data.validation = 1.0"),
        ("[data]\nworkers = -1\n", "data.workers = -1"),
        ("[log]\nprint_every = 0\n", "log.print_every = 0"),
        ("[log]\nevaluate_every = -5\n", "log.evaluate_every = -5"),
        ("[detail]\nresidual = 1.5\n", "detail.residual = 1.5"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(named)) as error:
        load(tmp_path, text + DOMAINS if text.startswith("data =") else DOMAINS + text)
    assert "\n" not in str(error.value)
    assert str(tmp_path / "run.toml") in str(error.value)


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


@pytest.mark.parametrize(("text", "value"), [("true", True), ("True", True), ("false", False)])
def test_overrides_know_truth_as_toml_writes_it(tmp_path: Path, text: str, value: bool) -> None:
    assert load(tmp_path, DOMAINS, f"network.spectral_norm={text}").network.spectral_norm is value


def test_overrides_of_every_kind(tmp_path: Path) -> None:
    config = load(tmp_path, DOMAINS, "preset=edge-s", "data.crop=[64, 32]", "optim.lr=1e-3", "loss.gan = 3")
    assert config.network == preset_network("edge-s")
    assert (config.data.crop, config.optim.lr, config.loss.gan) == ((64, 32), 1e-3, 3.0)
    with pytest.raises(ConfigError, match=r"unknown key optim\.step;"):
        load(tmp_path, DOMAINS, "optim.step=3")
    with pytest.raises(ConfigError, match="preset is no table"):
        load(tmp_path, 'preset = "paper"\n' + DOMAINS, "preset.network=3")


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_survive_json(tmp_path: Path, preset: str) -> None:
    """A saved run says all of its network; what a preset becomes later does not change it."""
    config = load(tmp_path, f'preset = "{preset}"\n{DOMAINS}[network]\nshared = 2\n')
    assert config.network == replace(preset_network(preset), shared=2)
    saved = json.loads(json.dumps(as_dict(config)))
    assert from_dict(saved) == config
    assert from_dict({**saved, "preset": "paper"}).network == config.network


def test_presets() -> None:
    assert preset_network("paper").residual_width == 512
    assert preset_network("paper").discriminator == (64, 128, 256, 512, 1024)
    assert preset_network("released").scales == 3
    assert [name for name in PRESETS if name.startswith("edge-")]
