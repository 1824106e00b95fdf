"""All that a training run learns, and how it goes into a checkpoint and comes back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unit_edge.config import RunConfig
from unit_edge.errors import CheckpointError
from unit_edge.train.discriminators.adversaries import Adversaries
from unit_edge.train.group import Group
from unit_edge.train.guided import GuidedHead
from unit_edge.train.networks import UNIT
from unit_edge.train.optim.ema import Ema
from unit_edge.train.optim.lr_schedule import lr_share
from unit_edge.train.run import checkpoint
from unit_edge.train.speed import lay_out, prepare
from unit_edge.train.update import Update
from unit_edge.train.warm_up import WarmUp, copy_halves

OPTIMISERS = ("optimiser_g", "optimiser_d")
WARM_UP_OPTIMISER = "optimiser_warm_up"
FROZEN = "projection.features."
"""Prefix of ImageNet weights, which stay out of checkpoints."""


class TrainingState:
    """Networks, optimisers and the step that they have reached.

    Attributes:
        step: steps done.
        unit: E1, E2, G1, G2.
        ema: their moving average, or `unit` itself if the settings have none.
        adversaries: D1, D2 and the feature discriminators.
        update: makes the next step.
        optimisers: of the networks and, if there are any, of the adversaries.
        best: score and step of the best evaluation so far, or None.
        warm_up: what comes before the first step, or None once it is over.
    """

    def __init__(self, config: RunConfig, group: Group) -> None:
        optim = config.optim
        self.config, self.group = config, group
        self.step = 0
        self.best: tuple[float, int] | None = None
        torch.manual_seed(optim.seed)
        self.unit = UNIT(config.network).to(group.device)
        self.adversaries = Adversaries(config).to(group.device)
        lay_out(self.unit, config.speed)
        self._ema = Ema(self.unit, optim.ema) if optim.ema else None
        self.ema = self._ema.nets if self._ema else self.unit
        prepare(self.unit, self.adversaries, config.speed)
        self.rates = optim.lr, optim.lr_discriminator or optim.lr
        self.optimisers = [
            torch.optim.Adam(
                [p for p in module.parameters() if p.requires_grad],
                rate,
                optim.betas,
                weight_decay=optim.weight_decay,
            )
            for module, rate in zip((self.unit, self.adversaries), self.rates, strict=True)
            if any(p.requires_grad for p in module.parameters())
        ]
        self.head = (
            GuidedHead(config.detail).to(group.device)
            if config.loss.discriminator_input == "guided"
            else None
        )
        self.update = Update(config, self.unit, self.adversaries, self.optimisers, group, self.head)
        self.warm_up = WarmUp(config, self.unit, group) if optim.warmup_steps else None

    @property
    def faults(self) -> list[str]:
        """What was not finite in the newest step."""
        return self.update.faults

    def advance(self, images: list[Tensor]) -> dict[str, float]:
        """Makes one step on a batch; returns its terms."""
        rate = lr_share(self.step, self.config.optim)
        for optimiser, full in zip(self.optimisers, self.rates, strict=False):
            optimiser.param_groups[0]["lr"] = full * rate
        terms = self.update(images, self.step)
        self.step += 1
        if self._ema:
            self._ema.update(self.unit, self.step)
        return terms

    def end_warm_up(self) -> None:
        """Lets both halves of the networks, and their average, begin where the warm-up has come to."""
        copy_halves(self.unit)
        self.ema.load_state_dict(self.unit.state_dict())
        self.warm_up = None

    def save(self, run: Path) -> None:
        """Writes a checkpoint and, once the warm-up is over, RUN/weights.safetensors.

        Raises:
            CheckpointError: they can't be written; earlier ones are untouched.
        """
        averaged = self.ema.state_dict() if self._ema else {}
        tensors = {
            **{f"unit.{name}": value for name, value in self.unit.state_dict().items()},
            **{f"ema.{name}": value for name, value in averaged.items()},
            **{
                f"adversaries.{name}": value
                for name, value in self.adversaries.state_dict().items()
                if not name.startswith(FROZEN)
            },
        }
        for name, optimiser in zip(OPTIMISERS, self.optimisers, strict=False):
            tensors |= checkpoint.flatten_optimiser(name, optimiser)
        state = {"best": self.best, "skipped": self.update.skipped, "scaler": self.update.scaler.state_dict()}
        if self.warm_up:
            tensors |= checkpoint.flatten_optimiser(WARM_UP_OPTIMISER, self.warm_up.optimiser)
            state["warm_up"] = self.warm_up.step
        spare = () if self.best is None else (self.best[1],)
        checkpoint.save_checkpoint(run, self.step, tensors, state, self.config.log.keep, spare)
        if not self.warm_up:  # in which E2 and G2 have learnt nothing yet
            checkpoint.save_weights(run, self.ema, self.step)

    def restore(self, run: Path) -> None:
        """Goes back to the newest checkpoint.

        Raises:
            CheckpointError: there is none, it is damaged, or it is of other networks or losses.
        """
        tensors, state = checkpoint.load_checkpoint(run)
        part = partial(checkpoint.part_of, tensors)
        with checkpoint.restoring(run):
            self.unit.load_state_dict(part("unit"))
            if self._ema:
                self.ema.load_state_dict(part("ema") or part("unit"))
            own = self.adversaries.state_dict().items()
            frozen = {name: value for name, value in own if name.startswith(FROZEN)}
            self.adversaries.load_state_dict({**part("adversaries"), **frozen})
            for name, optimiser in zip(OPTIMISERS, self.optimisers, strict=False):
                checkpoint.restore_optimiser(name, optimiser, tensors)
            self.step = int(state["step"])
            if "warm_up" not in state:
                self.warm_up = None
            elif self.warm_up:
                checkpoint.restore_optimiser(WARM_UP_OPTIMISER, self.warm_up.optimiser, tensors)
                self.warm_up.step = int(state["warm_up"])
            else:  # the settings have none any more
                self.end_warm_up()
            self.best = tuple(state["best"]) if state.get("best") else None
            self.update.skipped = int(state.get("skipped", 0))
            if self.update.scaler.is_enabled() and state.get("scaler"):
                self.update.scaler.load_state_dict(state["scaler"])


def refuse_other_run(run: Path, config: RunConfig) -> None:
    """Checks that a run can go on with these settings.

    Raises:
        CheckpointError: it was trained with other networks or on other domains; says which settings differ.
    """
    earlier = checkpoint.load_run_config(run)
    differing = differences("network", earlier.network, config.network)
    for name in ("domain1", "domain2"):
        old, new = getattr(earlier, name).name, getattr(config, name).name
        differing += [f"{name}.name {old!r} there, {new!r} here"] if old != new else []
    if differing:
        raise CheckpointError(
            f"{run}: was trained with other settings ({'; '.join(differing)}); train into another folder"
        )


def differences(prefix: str, there: Any, here: Any) -> list[str]:
    """The fields in which two dataclasses of a kind differ, as a person reads them."""
    values: tuple[Mapping[str, Any], Mapping[str, Any]] = (
        dataclasses.asdict(there),
        dataclasses.asdict(here),
    )
    return [
        f"{prefix}.{key} {values[0][key]!r} there, {values[1][key]!r} here"
        for key in values[0]
        if values[0][key] != values[1][key]
    ]
