from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from unit_edge.config import RunConfig
from unit_edge.errors import CheckpointError, DataError, TrainingError
from unit_edge.train import loop
from unit_edge.train.checkpoint import load_run_config, load_weights
from unit_edge.train.networks import UNIT


def run_steps(config: RunConfig, run: Path, images: Path, resume: bool = False) -> None:
    loop.fit(config, run, data_root=images, resume=resume, device="cpu")


def test_a_run_leaves_what_the_next_stages_need(config: RunConfig, images: Path) -> None:
    run = images / "run"
    run_steps(config, run, images)
    assert load_run_config(run) == config
    load_weights(run, config)
    assert [p.name for p in sorted((run / "samples").iterdir())] == ["0000003.png", "0000006.png"]
    assert [p.name for p in sorted((run / "checkpoints").iterdir())] == ["step-0000003", "step-0000006"]
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in log] == [1, 2, 3, 4, 5, 6]
    assert {"kl1", "reconstruction2", "gan1", "cycle2", "cycle_kl1", "d2"} <= set(log[0])
    suffixes = {path.suffix for path in run.rglob("*") if path.is_file()}
    assert suffixes == {".json", ".jsonl", ".png", ".safetensors"}


@pytest.mark.parametrize("kind", ["average", "no average", "workers", "dropout", "scores"])
def test_resuming_changes_not_a_bit(
    config: RunConfig, images: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    if kind == "no average":
        config = replace(config, optim=replace(config.optim, ema=0.0))
    elif kind == "workers":
        config = replace(config, data=replace(config.data, workers=2))
    elif kind == "dropout":
        config = replace(config, network=replace(config.network, dropout=0.5, norm="instance"))
    elif kind == "scores":  # which make a network, and so draw numbers
        pytest.importorskip("efficientnet_lite_pytorch", reason='needs pip install "unit-edge[critic]"')
        data, log = replace(config.data, validation=0.4), replace(config.log, evaluate_every=100)
        config = replace(config, data=data, log=log)
    whole, parted = images / "whole", images / "parted"
    run_steps(config, whole, images)
    update, done = loop.update, 0

    def interrupted(*arguments: object) -> dict[str, torch.Tensor]:
        nonlocal done
        done += 1
        if done == 5:
            raise KeyboardInterrupt
        return update(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "update", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_steps(config, parted, images)
    monkeypatch.setattr(loop, "update", update)
    run_steps(config, parted, images, resume=True)
    last = "checkpoints/step-0000006/training.safetensors"
    expected, given = load_file(whole / last), load_file(parted / last)
    assert set(expected) == set(given)
    assert all(torch.equal(expected[name], given[name]) for name in expected)
    weights = "weights.safetensors"
    assert (whole / weights).read_bytes() == (parted / weights).read_bytes()


def test_the_average_is_what_a_run_leaves(config: RunConfig, images: Path) -> None:
    run_steps(config, images / "run", images)
    tensors = load_file(images / "run" / "checkpoints" / "step-0000006" / "training.safetensors")
    left = load_file(images / "run" / "weights.safetensors")
    assert all(torch.equal(value, tensors[f"average.{name}"]) for name, value in left.items())
    assert not any(torch.equal(value, tensors[f"unit.{name}"]) for name, value in left.items())


def test_optimisers_are_the_settings(
    config: RunConfig, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Adam with the learning rates, decaying linearly to zero over the second half of eight steps."""
    rates: list[tuple[float, float]] = []
    update = loop.update

    def spy(*arguments: object) -> dict[str, torch.Tensor]:
        optimisers = [a for a in arguments if isinstance(a, torch.optim.Adam)]
        assert [o.param_groups[0]["betas"] for o in optimisers] == [(0.5, 0.999)] * 2
        rates.append(tuple(o.param_groups[0]["lr"] for o in optimisers))
        return update(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "update", spy)
    optim = replace(config.optim, steps=8, lr=1e-3, lr_discriminator=4e-3, warmup_steps=0)
    run_steps(replace(config, optim=optim), images / "run", images)
    shares = [1, 1, 1, 1, 1, 0.75, 0.5, 0.25]
    assert rates == [pytest.approx((1e-3 * share, 4e-3 * share)) for share in shares]


def test_warm_up_starts_both_halves_from_one(
    config: RunConfig, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Enough(Exception):
        pass

    def stop(unit: UNIT, *_: object) -> dict[str, torch.Tensor]:
        for part in (unit.encoders, unit.generators):
            first, second = (half.state_dict() for half in part)
            assert all(torch.equal(first[name], second[name]) for name in first)
        raise Enough

    monkeypatch.setattr(loop, "update", stop)
    with pytest.raises(Enough):
        run_steps(config, images / "run", images)


def test_reconstruction_improves(config: RunConfig, images: Path) -> None:
    optim = replace(config.optim, steps=60, warmup_steps=0, lr=2e-3)
    run_steps(replace(config, optim=optim), images / "run", images)
    log = [json.loads(line) for line in (images / "run" / "log.jsonl").read_text().splitlines()]
    first, last = (sum(e["reconstruction1"] for e in part) for part in (log[:5], log[-5:]))
    assert last < 0.7 * first


def test_a_run_is_not_overwritten(config: RunConfig, images: Path) -> None:
    run_steps(config, images / "run", images)
    with pytest.raises(CheckpointError, match="--resume"):
        run_steps(config, images / "run", images)


def test_resuming_other_networks_is_refused(config: RunConfig, images: Path) -> None:
    run_steps(config, images / "run", images)
    other = replace(config, network=replace(config.network, residual_width=12))
    with pytest.raises(CheckpointError, match="other network settings"):
        run_steps(other, images / "run", images, resume=True)


def test_a_term_that_is_not_finite_is_named(config: RunConfig, images: Path) -> None:
    bad = replace(config, loss=replace(config.loss, cycle=float("inf")))
    with pytest.raises(TrainingError, match="step 1: cycle"):
        run_steps(bad, images / "run", images)


def test_missing_images_leave_nothing(config: RunConfig, images: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        run_steps(config, images / "run", images / "elsewhere")
    assert not (images / "run").exists()
