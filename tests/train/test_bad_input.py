"""What goes wrong before or during a training: one line that names it, and nothing lost."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from unit_edge.config import RunConfig
from unit_edge.errors import CheckpointError, ConfigError, DataError, TrainingError, UnitEdgeError
from unit_edge.files import writing
from unit_edge.settings import from_dict
from unit_edge.train import fit as training
from unit_edge.train.data.decode import ImageItem
from unit_edge.train.evaluation.evaluate import read_images
from unit_edge.train.networks import UNIT
from unit_edge.train.run import checkpoint


def fit(config: RunConfig, images: Path, resume: bool = False) -> Path:
    training.fit(config, images / "run", data_root=images, resume=resume, device="cpu")
    return images / "run"


def with_data(config: RunConfig, **values: Any) -> RunConfig:
    return replace(config, data=replace(config.data, **values))


def one_line(error: pytest.ExceptionInfo[UnitEdgeError]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("workers", [0, 2])
def test_images_all_smaller_than_the_crop_leave_nothing(
    config: RunConfig, images: Path, workers: int
) -> None:
    with pytest.raises(DataError) as error:
        fit(with_data(config, crop=(64, 64), workers=workers), images)
    assert "dark" in one_line(error)
    assert "smaller than the crop of 64x64 (data.crop)" in one_line(error)
    assert not (images / "run").exists()


@pytest.mark.parametrize("name", ["2.png", "5.png"], ids=["training", "held out"])
def test_one_unreadable_image_does_not_stop_a_training(
    config: RunConfig, images: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (images / "dark" / name).write_bytes(b"no picture")
    run = fit(config, images)
    assert (run / "weights.safetensors").exists()
    warnings = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning")]
    assert len(warnings) == 1
    assert f"{name}: can't be read as an image" in warnings[0]
    assert "; skipped (1 of" in warnings[0]


def test_unreadable_held_out_images_are_counted(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = sorted((images / "dark").iterdir())
    for path in paths[1:3]:
        path.write_bytes(b"")
    assert len(read_images([ImageItem(path) for path in paths])) == 4
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning")]
    assert [path.name in line for path, line in zip(paths[1:3], lines, strict=True)] == [True, True]
    assert "2 of 6" in lines[1]


def test_a_distance_needs_two_images(config: RunConfig, images: Path) -> None:
    with pytest.raises(DataError, match=r"2 or more held-out images"):
        fit(replace(config, log=replace(config.log, evaluate_every=3)), images)
    assert not (images / "run").exists()


@pytest.mark.parametrize("left", [0, 1])
@pytest.mark.parametrize("name", ["dark", "bright"])
def test_a_domain_needs_two_images(config: RunConfig, images: Path, name: str, left: int) -> None:
    for path in sorted((images / name).iterdir())[left:]:
        path.unlink()
    with pytest.raises(DataError) as error:
        fit(config, images)
    assert name in one_line(error)
    assert not (images / "run").exists()


def test_two_images_are_enough(config: RunConfig, images: Path) -> None:
    for path in sorted((images / "dark").iterdir())[2:]:
        path.unlink()
    assert fit(with_data(config, validation=0.9), images).exists()  # one to train on, one held out


def test_a_run_that_is_a_file(config: RunConfig, images: Path) -> None:
    (images / "run").write_text("mine")
    with pytest.raises(CheckpointError) as error:
        fit(config, images)
    assert str(images / "run") in one_line(error)
    assert (images / "run").read_text() == "mine"


def test_weights_that_explode_are_named_and_not_saved(config: RunConfig, images: Path) -> None:
    run = fit(config, images)
    kept = (run / "weights.safetensors").read_bytes()
    bad = replace(config, optim=replace(config.optim, steps=12, lr=1e30, ema=0.0))
    with pytest.raises(TrainingError, match=r"^step 12: .* is (nan|inf).*--resume$") as error:
        fit(bad, images, resume=True)
    one_line(error)
    assert (run / "weights.safetensors").read_bytes() == kept
    assert sorted(p.name for p in (run / "checkpoints").iterdir()) == ["step-0000003", "step-0000006"]


def test_resuming_with_fewer_steps_does_nothing(config: RunConfig, images: Path) -> None:
    run = fit(config, images)
    kept = (run / "weights.safetensors").read_bytes()
    fit(replace(config, optim=replace(config.optim, steps=4)), images, resume=True)
    assert (run / "weights.safetensors").read_bytes() == kept


def test_resuming_other_domains_is_refused(config: RunConfig, images: Path) -> None:
    fit(config, images)
    with pytest.raises(CheckpointError, match=r"domain1.name 'dark' there, 'bright' here"):
        fit(replace(config, domain1=config.domain2, domain2=config.domain1), images, resume=True)


@pytest.mark.parametrize("missing", ["unit.encoders.0.0", "adversaries.", "optimiser_d.0."])
def test_resuming_from_an_incomplete_checkpoint(config: RunConfig, images: Path, missing: str) -> None:
    run = fit(config, images)
    tensors, _ = checkpoint.load_checkpoint(run)
    other = {k: v for k, v in tensors.items() if not k.startswith(missing)}
    assert len(other) < len(tensors)
    checkpoint.save_checkpoint(run, 7, other, {}, 2)
    with pytest.raises(CheckpointError, match="resume with the settings") as error:
        fit(config, images, resume=True)
    one_line(error)


@pytest.mark.parametrize("file", ["training.safetensors", "state.json"])
@pytest.mark.parametrize("damage", ["missing", "cut", "garbage"])
def test_damaged_checkpoints(tmp_path: Path, file: str, damage: str) -> None:
    checkpoint.save_checkpoint(tmp_path, 3, {"x": torch.arange(100.0)}, {}, 2)
    path = tmp_path / "checkpoints" / "step-0000003" / file
    content = path.read_bytes()
    path.write_bytes({"missing": b"", "cut": content[:-5], "garbage": b"\x80\x04pickle" * 9}[damage])
    if damage == "missing":
        path.unlink()
    with pytest.raises(CheckpointError, match=r"step-0000003: damaged .*the one before") as error:
        checkpoint.load_checkpoint(tmp_path)
    one_line(error)


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", "3", '{"preset": [1]}', '{"network": 3}', "\udcff"])
def test_damaged_settings_of_a_run(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(CheckpointError, match="damaged") as error:
        checkpoint.load_run_config(tmp_path)
    one_line(error)


def test_failed_saves_leave_the_old_files(
    config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = UNIT(config.network)
    checkpoint.save_weights(tmp_path, unit, 1)
    checkpoint.save_config(tmp_path, config)
    kept = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(_: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing, "sync", full)  # the temporary file is written by then
    with torch.no_grad():
        next(unit.parameters()).add_(1)
    for save in (
        lambda: checkpoint.save_weights(tmp_path, unit, 2),
        lambda: checkpoint.save_config(tmp_path, replace(config, preset="edge-s")),
    ):
        with pytest.raises(CheckpointError, match="No space left") as error:
            save()
        one_line(error)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == kept


@pytest.mark.parametrize("raw", [None, [1], {"preset": ["paper"]}, {"preset": "paprika"}])
def test_settings_that_are_no_table(raw: Any) -> None:
    with pytest.raises(ConfigError, match="expected"):
        from_dict(raw)


def test_log_has_only_numbers_that_json_knows(config: RunConfig, images: Path) -> None:
    def refuse(constant: str) -> float:
        raise AssertionError(constant)

    for line in (fit(config, images) / "log.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=refuse)
