"""The released order computes the same step; the bench's table and JSON line. Nothing here is a timing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny import TINY

from unit_edge.config import DataConfig, DomainConfig, OptimConfig, RunConfig
from unit_edge.machine.child import ChildFailed
from unit_edge.train.bench import steps
from unit_edge.train.bench.released_way import released_step
from unit_edge.train.bench.worker import StepCase, Stepper, StepWorker
from unit_edge.train.group import Group
from unit_edge.train.state import TrainingState

DOMAINS = DomainConfig(name="a", paths=("a",)), DomainConfig(name="b", paths=("b",))


def settings(**network: object) -> RunConfig:
    return RunConfig(
        *DOMAINS,
        network=replace(TINY, init="kaiming-half", **network),  # type: ignore[arg-type]
        data=DataConfig(short_side=(32, 32), crop=(32, 32)),
        optim=OptimConfig(batch=2, lr=1e-3),
    )


@pytest.mark.parametrize("detached", [False, True])
@pytest.mark.parametrize("network", [{}, {"spectral_norm": True, "scales": 2, "discriminator_kernel": 1}])
def test_the_released_order_makes_the_same_step(network: dict[str, object], detached: bool) -> None:
    config = settings(**network)
    ours, theirs = (TrainingState(config, Group(torch.device("cpu"))) for _ in range(2))
    for state in (ours, theirs):
        # in fp64, as Adam's first steps are about the sign of each gradient
        for module in (state.unit, state.adversaries):
            module.double()
    numbers = torch.Generator().manual_seed(1)
    for step in range(2):
        images = [torch.rand(2, 3, 32, 32, generator=numbers).double() * 2 - 1 for _ in range(2)]
        expected = ours.update(images, step)
        terms = released_step(theirs, images, step, detached=detached)
        assert terms.keys() == expected.keys()
        for name, value in expected.items():
            assert terms[name] == pytest.approx(value, rel=1e-6), name
    for mine, other in ((ours.unit, theirs.unit), (ours.adversaries, theirs.adversaries)):
        for (name, weight), changed in zip(
            mine.state_dict().items(), other.state_dict().values(), strict=True
        ):
            torch.testing.assert_close(changed, weight, rtol=1e-5, atol=1e-7, msg=name)


def test_only_the_released_way_runs_d_s_loss_back_through_g() -> None:
    config = settings()
    for detached in (False, True):
        state = TrainingState(config, Group(torch.device("cpu")))
        reached: list[int] = []
        first = next(state.unit.encoders[0].parameters())
        first.register_post_accumulate_grad_hook(lambda _, reached=reached: reached.append(1))
        images = [torch.rand(2, 3, 32, 32) for _ in range(2)]
        released_step(state, images, 0, detached=detached)
        assert len(reached) == (1 if detached else 2)


def test_a_stepper_of_each_way_steps() -> None:
    for way in ("ours", "detached", "released"):
        stepper = Stepper(StepCase(way, settings(), way, "cpu"))  # type: ignore[arg-type]
        before = stepper.state.unit.generators[0][0].body[0].weight.clone()  # type: ignore[union-attr,index]
        assert stepper.step_ms() > 0
        assert not torch.equal(before, stepper.state.unit.generators[0][0].body[0].weight)  # type: ignore[union-attr,index]


def test_a_worker_tells_why_it_fails() -> None:
    broken = StepCase("broken", settings(), device="nonsense")
    with StepWorker(broken) as worker, pytest.raises(ChildFailed, match="nonsense"):
        worker.step_ms(60)


@pytest.mark.slow
def test_the_table_and_the_last_line(
    tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(steps, "network_of", lambda preset: TINY)
    monkeypatch.setattr(steps, "_ROUNDS", (2, 2))
    toml = tmp_path / "run.toml"
    toml.write_text(
        '[domain1]\nname = "dark"\npaths = ["dark"]\n[domain2]\nname = "bright"\npaths = ["bright"]\n'
        "[network]\nfront = [4, 6, 8]\nresidual_width = 10\nresidual_blocks = 2\ndiscriminator = [4, 4, 4]\n"
        "[data]\nshort_side = [34, 40]\ncrop = [32, 32]\nvalidation = 0.2\n[optim]\nbatch = 2\n"
    )
    arguments = "--presets paper --size 32x32 --switches contiguous fp16 accumulate --device cpu --threads 1"
    steps.main([*arguments.split(), "--json", str(tmp_path / "out.json"), "--data", str(images), str(toml)])
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == (tmp_path / "out.json").read_text().strip()
    result = json.loads(last)
    rows = {row["case"]: row for row in result["rows"]}
    assert list(rows) == ["released", "detached", "ours", "contiguous", "fp16", "batch 2", "accumulate 2"]
    assert rows["fp16"]["failed"] == "CUDA only"
    assert all(row["rounds"] == 2 and row["peak_mib"] > 0 for name, row in rows.items() if name != "fp16")
    assert rows["released"]["ratio"] == [1, 1, 1] and rows["ours"]["against"] == "released"
    assert rows["contiguous"]["against"] == "ours" and rows["accumulate 2"]["batch"] == 2
    assert result["machine"]["threads"] == 1
    assert result["loader"]["samples"] == 4 and result["loader"]["steps_consume_per_s"] > 0
