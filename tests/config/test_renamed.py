"""Old names are read for one version: settings with a note, tensors as they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest
from typer.testing import CliRunner

from unit_edge.cli.app import app
from unit_edge.config import RunConfig, as_dict
from unit_edge.config.renamed import SETTINGS, TENSORS, note, tensor_name
from unit_edge.errors import ConfigError
from unit_edge.runtime.bench.report.reread import read_whole
from unit_edge.runtime.library import translate_frames
from unit_edge.settings import from_saved, load_config

DOMAINS = '[domain1]\nname = "a"\npaths = ["a"]\n[domain2]\nname = "b"\npaths = ["b"]\n'
OLD = (
    '[network]\ncritic = "efficientnet-lite1"\n[loss]\ncritic = 2.0\njudged = "guided"\n',
    '[network]\nfeature_discriminator = "efficientnet-lite1"\n'
    '[loss]\nfeature_gan = 2.0\ndiscriminator_input = "guided"\n',
)


def load(folder: Path, text: str, *overrides: str) -> RunConfig:
    path = folder / "run.toml"
    path.write_text(DOMAINS + text)
    return load_config(path, list(overrides))


def test_old_settings_are_read_with_one_note_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    note.cache_clear()
    old, new = (load(tmp_path, text) for text in OLD)
    assert old == new and (new.loss.feature_gan, new.loss.discriminator_input) == (2.0, "guided")
    load(tmp_path, OLD[0])
    notes = capsys.readouterr().err.splitlines()
    assert len(notes) == 3
    assert "note: loss.judged is called loss.discriminator_input now; the old name is read until 0.2" in notes


def test_overrides_and_saved_runs_may_have_old_names(tmp_path: Path) -> None:
    new = load(tmp_path, OLD[1])
    assert load(tmp_path, OLD[1], "loss.critic=3").loss.feature_gan == 3
    assert load(tmp_path, OLD[0], "loss.feature_gan=3").loss.feature_gan == 3
    text = json.dumps(as_dict(new))
    for name, today in SETTINGS.items():
        text = text.replace(f'"{today.split(".")[1]}":', f'"{name.split(".")[1]}":')
    assert not any(f'"{today.split(".")[1]}":' in text for today in SETTINGS.values())
    assert from_saved(json.loads(text)) == new


def test_both_names_at_once_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"loss\.critic and loss\.feature_gan: the same"):
        load(tmp_path, "[loss]\ncritic = 1.0\nfeature_gan = 1.0\n")


def test_every_new_name_is_a_setting() -> None:
    config = from_saved({"domain1": {"name": "a", "paths": ["a"]}, "domain2": {"name": "b", "paths": ["b"]}})
    for old, new in SETTINGS.items():
        names = [{item.name for item in fields(getattr(config, key.split(".")[0]))} for key in (old, new)]
        assert old.split(".")[1] not in names[0] and new.split(".")[1] in names[1]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("average.encoders.0.0.weight", "ema.encoders.0.0.weight"),
        ("average.judge.real.bias", "ema.discriminator.real.bias"),
        ("average.unit.encoders.0.0.weight", "ema.unit.encoders.0.0.weight"),
        ("nets.judge.real.bias", "nets.discriminator.real.bias"),
        ("judge.real.bias", "discriminator.real.bias"),
        ("adversaries.critics.0.x", "adversaries.feature_discriminators.0.x"),
        ("unit.encoders.0.0.weight", "unit.encoders.0.0.weight"),
        ("adversaries.discriminators.0.x", "adversaries.discriminators.0.x"),
    ],
)
def test_tensors(old: str, new: str) -> None:
    assert tensor_name(old) == new == tensor_name(new)
    assert old == new or any(old.startswith(prefix) for prefix in TENSORS)


def test_the_old_option_asks_for_a_backend_and_is_noted(write_model: Callable[..., Path]) -> None:
    note.cache_clear()
    done = CliRunner().invoke(app, ["bench", str(write_model()), "--engine", "tpu"])
    assert done.exit_code == 1
    assert done.stderr.splitlines() == [
        "note: --engine is called --backend now; the old name is read until 0.2",
        "error: unknown backend 'tpu'; known: auto, onnxruntime, onnxruntime-cuda, onnxruntime-tensorrt, "
        "openvino, openvino-bf16, tensorrt, all",
    ]
    assert "--engine" not in CliRunner().invoke(app, ["bench", "--help"]).stdout


def test_a_benchmark_of_before_is_read_with_a_note(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    note.cache_clear()
    today = (Path(__file__).parents[2] / "docs/benchmarks/bundled/bench.json").read_text()
    before = tmp_path / "bench.json"
    before.write_text(today.replace('"backend"', '"engine"').replace('"backend_reason"', '"engine_reason"'))
    report = read_whole(before)
    assert {row["backend"] for row in report["rows"]} == {"onnxruntime", "openvino"}
    assert {row["backend_reason"] for row in report["rows"]} == {"asked for"}
    assert {peak["backend"] for peak in report["peaks"]} == {"onnxruntime", "openvino"}
    assert {line.split()[1] for line in capsys.readouterr().err.splitlines()} == {"engine", "engine_reason"}


def test_programs_may_use_the_old_name(write_model: Callable[..., Path]) -> None:
    with pytest.warns(DeprecationWarning, match="backend"), pytest.raises(ConfigError, match="'tpu'"):
        next(translate_frames("a.mp4", write_model(), engine="tpu"))
