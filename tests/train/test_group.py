"""Two processes on a batch cut in two learn what one process learns on the whole batch."""

from __future__ import annotations

import json
import math
import os
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import LIVELY, TWO_SCALES, pictures, settings, state_of
from torch import Tensor, nn
from torch import multiprocessing as processes

from unit_edge.config import LossConfig, NetworkConfig, OptimConfig, RunConfig, SpeedConfig
from unit_edge.train.draw import BatchPart, Draw
from unit_edge.train.group import Group, join_group, no_sync
from unit_edge.train.warm_up import WARM_UP, Autoencoder

STEPS = 2
POISON = "poison"
COGAN = LossConfig(kl=0, reconstruction=0, cycle=0, cycle_kl=0)


Outcome = dict[str, Any]


def run_of(
    batch: int, network: NetworkConfig = LIVELY, loss: LossConfig | None = None, **speed: Any
) -> RunConfig:
    optim = OptimConfig(steps=4, batch=batch, lr=1e-3)
    return settings(network, loss, optim, SpeedConfig(channels_last=False, **speed))


RUNS = {
    "one image each": run_of(2),
    "two scales, spectral norm, R1": run_of(2, TWO_SCALES, LossConfig(r1=5.0)),
    "micro-batches": run_of(4, TWO_SCALES, accumulate=2),
    "checkpointing": run_of(2, checkpointing=True),
    "no discriminators": run_of(2, loss=LossConfig(gan=0.0)),
    "no cycle": run_of(2, loss=LossConfig(cycle=0.0, cycle_kl=0.0)),
    "CoGAN": run_of(2, replace(LIVELY, encoders=False), COGAN),
    POISON: run_of(2),
}


def results(config: RunConfig, group: Group, poison: bool) -> Outcome:
    """Terms, faults, gradients and weights after two steps of this process's share."""
    state = state_of(config, group)
    share = config.optim.batch // group.size
    terms, faults = [], []
    for step in range(STEPS):
        images = pictures(config.optim.batch, step)
        if poison and step == 0:
            images[0][-1] = float("nan")  # which only the last process gets
        own = slice(group.rank * share, (group.rank + 1) * share)
        terms.append(state.advance([x[own] for x in images]))
        faults.append(list(state.faults))
    modules = {"unit": state.unit, "adversaries": state.adversaries}
    tensors = {f"{m}.{n}": v.clone() for m, module in modules.items() for n, v in module.state_dict().items()}
    for m, module in modules.items():
        for n, p in module.named_parameters():
            assert (p.grad is None) == (not p.requires_grad)
            if p.grad is not None:
                tensors[f"{m}.{n}.grad"] = p.grad.clone()
    return {"terms": terms, "faults": faults, "tensors": tensors}


def warm_up_gradients(group: Group) -> dict[str, Tensor]:
    config = RUNS["one image each"]
    state = state_of(config, group)
    model = group.wrap(Autoencoder(state.unit, config))
    share = 2 // group.size
    part = BatchPart(2, group.rank * share, share)
    draws = [Draw((0, 0, WARM_UP + domain), part, group.device) for domain in (0, 1)]
    images = [x[part.first : part.first + share] for x in pictures(2)]
    torch.stack(list(model(images, draws).values())).sum().backward()  # type: ignore[no-untyped-call]
    return {n: p.grad.clone() for n, p in state.unit.named_parameters() if p.grad is not None}


def everything(group: Group) -> Outcome:
    runs: Outcome = {name: results(config, group, name == POISON) for name, config in RUNS.items()}
    return runs | {"warm-up": {"tensors": warm_up_gradients(group)}}


def store(folder: Path, outcome: Outcome) -> None:
    """Hands an outcome to the process that started this one."""
    folder.mkdir()
    for name, values in outcome.items():
        save_file(values["tensors"], folder / f"{name}.safetensors")
        rest = {key: value for key, value in values.items() if key != "tensors"}
        (folder / f"{name}.json").write_text(json.dumps(rest))


def restored(folder: Path) -> Outcome:
    return {
        path.stem: {**json.loads(path.read_text()), "tensors": load_file(path.with_suffix(".safetensors"))}
        for path in folder.glob("*.json")
    }


def postpones(group: Group) -> None:
    """A gradient stays in its process until the last micro-batch."""
    model = group.wrap(nn.Linear(1, 1, bias=False))
    for x, postpone, expected in ((1.0 + group.rank, True, 1.0 + group.rank), (1.0, False, 2.5)):
        with no_sync(model, postpone):
            model(torch.full((1, 1), x)).backward()
        (weight,) = model.parameters()
        assert weight.grad is not None and weight.grad.item() == expected


def child(rank: int, port: int, folder: str) -> None:
    """One of two processes, as torchrun would start it."""
    torch.set_num_threads(1)
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    with join_group("cpu") as group:
        assert (group.rank, group.size, group.is_main_process) == (rank, 2, rank == 0)
        assert group.any(rank == 1) and not group.any(False)
        assert group.mean(torch.tensor([2.0 * rank, math.pi])).tolist() == pytest.approx([1, math.pi])
        group.wait()
        postpones(group)
        store(Path(folder) / str(rank), everything(group))


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> list[Outcome]:
    """Of both processes, and of one that has the whole batch."""
    folder = tmp_path_factory.mktemp("group")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes.spawn(child, (port, str(folder)), nprocs=2)  # type: ignore[attr-defined, no-untyped-call]
    alone = everything(Group(torch.device("cpu")))
    return [restored(folder / str(rank)) for rank in (0, 1)] + [alone]


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_two_processes_learn_what_one_does(outcomes: list[Outcome], name: str) -> None:
    *both, alone = (outcome[name] for outcome in outcomes)
    assert repr(both[0]["terms"]) == repr(both[1]["terms"])  # as NaN is not NaN
    for rank in both:
        assert rank["faults"] == alone["faults"]
        for mine, theirs in zip(rank["terms"], alone["terms"], strict=True):
            assert mine == pytest.approx(theirs, rel=1e-4, abs=1e-8, nan_ok=True)
        for key, value in rank["tensors"].items():
            torch.testing.assert_close(value, alone["tensors"][key], rtol=1e-4, atol=2e-5, msg=key)
            assert torch.equal(value, both[0]["tensors"][key]), key  # to the last bit


def test_a_fault_in_one_process_is_one_of_all(outcomes: list[Outcome]) -> None:
    for outcome in outcomes:
        first, second = outcome[POISON]["faults"]
        assert "d1 is nan" in first and "reconstruction1 is nan" in first
        assert second == []


def test_the_warm_up_learns_from_both(outcomes: list[Outcome]) -> None:
    *both, alone = (outcome["warm-up"]["tensors"] for outcome in outcomes)
    for rank in both:
        assert rank.keys() == alone.keys()
        for key, value in rank.items():
            torch.testing.assert_close(value, alone[key], rtol=1e-4, atol=1e-6, msg=key)
