from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from unit_edge.config import RunConfig
from unit_edge.errors import CheckpointError, DataError, TrainingError
from unit_edge.train import fit
from unit_edge.train.evaluation.evaluate import TranslationScore
from unit_edge.train.networks import UNIT
from unit_edge.train.run.blend import blend
from unit_edge.train.run.checkpoint import load_checkpoint, load_run_config, load_weights, part_of
from unit_edge.train.state import TrainingState

Advance = Callable[[TrainingState, list[Tensor]], dict[str, float]]


def run_steps(config: RunConfig, run: Path, images: Path, resume: bool = False) -> None:
    fit.fit(config, run, data_root=images, resume=resume, device="cpu")


def log_of(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def same_checkpoints(a: Path, b: Path) -> bool:
    first, second = (load_file(path / "training.safetensors") for path in (a, b))
    return set(first) == set(second) and all(torch.equal(first[name], second[name]) for name in first)


def test_a_run_leaves_what_the_next_stages_need(config: RunConfig, images: Path) -> None:
    run = images / "run"
    run_steps(config, run, images)
    assert load_run_config(run) == config
    load_weights(run, config)
    assert [p.name for p in sorted((run / "samples").iterdir())] == ["0000003.png", "0000006.png"]
    assert [p.name for p in sorted((run / "checkpoints").iterdir())] == ["step-0000003", "step-0000006"]
    assert [entry["step"] for entry in log_of(run)] == [1, 2, 3, 4, 5, 6]
    assert {"kl1", "reconstruction2", "gan1", "cycle2", "cycle_kl1", "d2"} <= set(log_of(run)[0])
    assert (run / "contact-sheet.png").is_file()
    assert not [path.name for path in run.rglob(".*")]


def test_tensorboard_shows_losses_streams_and_codes(config: RunConfig, images: Path) -> None:
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run = images / "run"
    run_steps(config, run, images)
    events = reader.EventAccumulator(str(run / "tensorboard"), {"histograms": 0, "images": 0})
    events.Reload()
    tags = events.Tags()
    assert tags["images"] == ["samples"]
    assert tags["histograms"] == ["z1", "z2"]
    curve = [(event.step, event.value) for event in events.Scalars("loss/cycle1")]
    assert curve == [(entry["step"], pytest.approx(entry["cycle1"])) for entry in log_of(run)]


def test_without_encoders_a_run_still_shows_what_it_makes(config: RunConfig, images: Path) -> None:
    network = replace(config.network, encoders=False)
    loss = replace(config.loss, kl=0.0, reconstruction=0.0, cycle_kl=0.0, cycle=0.0)
    optim = replace(config.optim, warmup_steps=0)
    run_steps(replace(config, network=network, loss=loss, optim=optim), images / "run", images)
    assert len(list((images / "run" / "samples").iterdir())) == 2


def test_a_run_can_begin_with_anothers_weights(
    config: RunConfig, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_steps(config, images / "first", images)
    first = load_weights(images / "first", config).state_dict()
    began = []
    advance: Advance = TrainingState.advance

    def noted(state: TrainingState, batch: list[Tensor]) -> dict[str, float]:
        began.append(
            [{k: v.clone() for k, v in nets.state_dict().items()} for nets in (state.unit, state.ema)]
        )
        return advance(state, batch)

    monkeypatch.setattr(TrainingState, "advance", noted)
    monkeypatch.chdir(images)
    further = replace(config, optim=replace(config.optim, weights="first"))
    run_steps(further, images / "second", images)
    assert len(began) == config.optim.steps  # and no warm-up, which would have changed them
    for nets in began[0]:
        assert nets.keys() == first.keys()
        assert all(torch.equal(nets[name], first[name]) for name in first)

    began.clear()
    wider = replace(further, network=replace(config.network, residual_width=23))
    run_steps(wider, images / "wider", images)
    there, here = UNIT(config.network).eval(), UNIT(wider.network).eval()
    there.load_state_dict(first)
    here.load_state_dict(began[0][0])
    image = torch.rand(1, 3, 16, 16) * 2 - 1
    with torch.no_grad():
        torch.testing.assert_close(here.encode_one(image, 0)[:, :10], there.encode_one(image, 0))
        torch.testing.assert_close(
            here.decode(here.encode_one(image, 0), 1), there.decode(there.encode_one(image, 0), 1)
        )

    narrower = replace(further, network=replace(config.network, residual_width=9))
    with pytest.raises(
        CheckpointError, match=r"optim\.weights first: other networks \(network\.residual_width 10"
    ):
        run_steps(narrower, images / "third", images)
    with pytest.raises(CheckpointError, match="nowhere"):
        run_steps(replace(further, optim=replace(config.optim, weights="nowhere")), images / "third", images)
    assert not (images / "third").exists()


@pytest.mark.parametrize(
    ("change", "kept", "taken"),
    [
        ({}, False, True),
        ({"network": {"residual_width": 23}}, False, True),
        ({"domain2": {"name": "other"}}, False, False),
        ({}, True, True),
        ({"domain2": {"name": "other"}}, True, False),
    ],
    ids=["the same", "wider networks", "other domains", "no checkpoints", "other domains, no checkpoints"],
)
def test_a_run_that_begins_with_anothers_weights_takes_its_discriminators(
    config: RunConfig,
    images: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, dict[str, Any]],
    kept: bool,
    taken: bool,
) -> None:
    run_steps(config, images / "first", images)
    if kept:
        blend(images / "first", images / "kept", other=images / "first")
        assert not (images / "kept/checkpoints").exists()
    learnt = part_of(load_checkpoint(images / "first")[0], "adversaries")
    assert learnt
    began = {}
    advance: Advance = TrainingState.advance

    def noted(state: TrainingState, batch: list[Tensor]) -> dict[str, float]:
        if not began:
            began.update({name: value.clone() for name, value in state.adversaries.state_dict().items()})
        return advance(state, batch)

    monkeypatch.setattr(TrainingState, "advance", noted)
    monkeypatch.chdir(images)
    tables = {table: replace(getattr(config, table), **values) for table, values in change.items()}
    further = replace(config, optim=replace(config.optim, weights="kept" if kept else "first"), **tables)
    run_steps(further, images / "second", images)
    equal = [torch.equal(value, began[name]) for name, value in learnt.items() if name.endswith("weight")]
    assert equal and (all(equal) if taken else not any(equal))


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
        pytest.importorskip("efficientnet_lite_pytorch", reason='needs pip install "unit-edge[imagenet]"')
        data, log = replace(config.data, validation=0.4), replace(config.log, evaluate_every=100)
        config = replace(config, data=data, log=log)
    whole, parted = images / "whole", images / "parted"
    run_steps(config, whole, images)
    interrupt_at(monkeypatch, 4)
    with pytest.raises(KeyboardInterrupt):
        run_steps(config, parted, images)
    monkeypatch.undo()
    run_steps(config, parted, images, resume=True)
    last = "checkpoints/step-0000006"
    assert same_checkpoints(whole / last, parted / last)
    assert (whole / "weights.safetensors").read_bytes() == (parted / "weights.safetensors").read_bytes()
    assert log_of(whole) == log_of(parted)


def interrupt_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Lets the process end as if killed, after some steps."""
    advance: Advance = TrainingState.advance

    def interrupted(state: TrainingState, batch: list[Tensor]) -> dict[str, float]:
        if state.step == step:
            raise KeyboardInterrupt
        return advance(state, batch)

    monkeypatch.setattr(TrainingState, "advance", interrupted)


def test_killed_between_the_last_checkpoint_and_its_weights_a_run_gets_them_when_resumed(
    config: RunConfig, images: Path
) -> None:
    run = images / "run"
    run_steps(config, run, images)
    last = (run / "weights.safetensors").read_bytes()
    run_steps(replace(config, optim=replace(config.optim, steps=4)), images / "short", images)
    (run / "weights.safetensors").write_bytes((images / "short" / "weights.safetensors").read_bytes())
    run_steps(config, run, images, resume=True)
    assert (run / "weights.safetensors").read_bytes() == last


@pytest.mark.parametrize("checkpoint_every", [2, 100])  # one in the warm-up, and none
def test_a_run_that_was_killed_in_its_warm_up_can_be_resumed(
    config: RunConfig, images: Path, monkeypatch: pytest.MonkeyPatch, checkpoint_every: int
) -> None:
    config = replace(config, log=replace(config.log, checkpoint_every=checkpoint_every))
    run_steps(config, images / "whole", images)

    def killed(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(TrainingState, "end_warm_up", killed)
    with pytest.raises(KeyboardInterrupt):
        run_steps(config, images / "parted", images)
    monkeypatch.undo()
    assert (images / "parted" / "checkpoints" / "step-0000000").exists() == (checkpoint_every == 2)
    run_steps(config, images / "parted", images, resume=True)
    last = "checkpoints/step-0000006"
    assert same_checkpoints(images / "whole" / last, images / "parted" / last)


def test_a_warm_up_that_is_not_finite_stops(config: RunConfig, images: Path) -> None:
    optim = replace(config.optim, warmup_steps=50, warmup_lr=1e18)
    config = replace(config, optim=optim, log=replace(config.log, checkpoint_every=1))
    with pytest.raises(TrainingError, match=r"warm-up step \d+: .* is (nan|inf).*; lower optim.warmup_lr"):
        run_steps(config, images / "run", images)
    tensors = load_file(images / "run" / "checkpoints" / "step-0000000" / "training.safetensors")
    assert all(value.isfinite().all() for name, value in tensors.items() if name.startswith("unit."))


def test_the_best_by_score_stays(config: RunConfig, images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("efficientnet_lite_pytorch", reason='needs pip install "unit-edge[imagenet]"')
    ratios = iter([0.9, 0.9, 0.5, 0.5, 0.7, 0.7, 0.6, 0.6])
    monkeypatch.setattr(TranslationScore, "__call__", lambda *_: {"kernel_distance_ratio": next(ratios)})
    log = replace(config.log, evaluate_every=2, checkpoint_every=100, sample_every=100, keep=1)
    data, optim = replace(config.data, validation=0.4), replace(config.optim, steps=8)
    run = images / "run"
    run_steps(replace(config, data=data, log=log, optim=optim), run, images)
    names = [path.name for path in sorted((run / "checkpoints").iterdir())]
    assert names == ["step-0000004", "step-0000008"]
    best = load_file(run / "best.safetensors")
    tensors = load_file(run / "checkpoints" / "step-0000004" / "training.safetensors")
    assert all(torch.equal(value, tensors[f"ema.{name}"]) for name, value in best.items())


def test_the_average_is_what_a_run_leaves(config: RunConfig, images: Path) -> None:
    run_steps(config, images / "run", images)
    tensors = load_file(images / "run" / "checkpoints" / "step-0000006" / "training.safetensors")
    left = load_file(images / "run" / "weights.safetensors")
    assert all(torch.equal(value, tensors[f"ema.{name}"]) for name, value in left.items())
    assert not any(torch.equal(value, tensors[f"unit.{name}"]) for name, value in left.items())


def test_optimisers_are_the_settings(
    config: RunConfig, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Adam with the learning rates, decaying linearly to zero over the second half of eight steps."""
    rates: list[tuple[float, ...]] = []
    advance: Advance = TrainingState.advance

    def spy(state: TrainingState, batch: list[Tensor]) -> dict[str, float]:
        terms = advance(state, batch)
        assert [o.param_groups[0]["betas"] for o in state.optimisers] == [(0.5, 0.999)] * 2
        rates.append(tuple(o.param_groups[0]["lr"] for o in state.optimisers))
        return terms

    monkeypatch.setattr(TrainingState, "advance", spy)
    optim = replace(config.optim, steps=8, lr=1e-3, lr_discriminator=4e-3, warmup_steps=0)
    run_steps(replace(config, optim=optim), images / "run", images)
    shares = [1, 1, 1, 1, 1, 0.75, 0.5, 0.25]
    assert rates == [pytest.approx((1e-3 * share, 4e-3 * share)) for share in shares]


def test_warm_up_starts_both_halves_from_one(
    config: RunConfig, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Enough(Exception):
        pass

    def stop(state: TrainingState, _: list[Tensor]) -> dict[str, float]:
        for unit in (state.unit, state.ema):
            for part in (unit.encoders, unit.generators):
                first, second = (half.state_dict() for half in part)
                assert all(torch.equal(first[name], second[name]) for name in first)
        raise Enough

    monkeypatch.setattr(TrainingState, "advance", stop)
    with pytest.raises(Enough):
        run_steps(config, images / "run", images)


def test_reconstruction_improves(config: RunConfig, images: Path) -> None:
    optim = replace(config.optim, steps=60, warmup_steps=0, lr=2e-3)
    run_steps(replace(config, optim=optim), images / "run", images)
    log = log_of(images / "run")
    first, last = (sum(e["reconstruction1"] for e in part) for part in (log[:5], log[-5:]))
    assert last < 0.7 * first


def test_a_run_is_not_overwritten(config: RunConfig, images: Path) -> None:
    run_steps(config, images / "run", images)
    with pytest.raises(CheckpointError, match="--resume"):
        run_steps(config, images / "run", images)


def test_resuming_other_networks_says_what_differs(config: RunConfig, images: Path) -> None:
    run_steps(config, images / "run", images)
    network = replace(config.network, residual_width=12, scales=2)
    with pytest.raises(CheckpointError) as caught:
        run_steps(replace(config, network=network), images / "run", images, resume=True)
    assert "network.residual_width 10 there, 12 here; network.scales 1 there, 2 here" in str(caught.value)


@pytest.mark.parametrize(("poisoned", "survives"), [({3}, True), ({3, 4}, False)])
def test_steps_that_are_not_finite_are_skipped_up_to_a_number(
    config: RunConfig, images: Path, monkeypatch: pytest.MonkeyPatch, poisoned: set[int], survives: bool
) -> None:
    advance: Advance = TrainingState.advance

    def poison(state: TrainingState, batch: list[Tensor]) -> dict[str, float]:
        return advance(state, [x * float("nan") for x in batch] if state.step in poisoned else batch)

    monkeypatch.setattr(TrainingState, "advance", poison)
    run = images / "run"
    config = replace(config, optim=replace(config.optim, max_skipped=2))
    if survives:
        run_steps(config, run, images)
    else:
        with pytest.raises(TrainingError, match="step 5: d1 is nan, and 2 steps in a row"):
            run_steps(config, run, images)
    notes = [entry for entry in log_of(run) if "note" in entry]
    assert {entry["step"] for entry in notes} == {4}
    assert "d1 is nan" in str(notes[0]["note"])
    weights = load_file(run / "weights.safetensors")
    assert all(value.isfinite().all() for value in weights.values())


@pytest.mark.parametrize(
    ("every", "advice"), [(1, "the last checkpoint is good"), (9, "there is no checkpoint")]
)
@pytest.mark.parametrize("unseen", [False, True])
def test_advice_after_a_fault_is_of_what_there_is(
    config: RunConfig, images: Path, monkeypatch: pytest.MonkeyPatch, every: int, advice: str, unseen: bool
) -> None:
    monkeypatch.setattr(TrainingState, "unseen", unseen)
    advance: Advance = TrainingState.advance

    def poison(state: TrainingState, batch: list[Tensor]) -> dict[str, float]:
        return advance(state, [x * float("nan") for x in batch] if state.step else batch)

    monkeypatch.setattr(TrainingState, "advance", poison)
    optim, log = replace(config.optim, max_skipped=1), replace(config.log, checkpoint_every=every)
    with pytest.raises(TrainingError, match=f"^step 2: .* 1 steps in a row .*{advice}"):
        run_steps(replace(config, optim=optim, log=log), images / "run", images)


def test_missing_images_leave_nothing(config: RunConfig, images: Path) -> None:
    with pytest.raises(DataError, match="no such"):
        run_steps(config, images / "run", images / "elsewhere")
    assert not (images / "run").exists()
