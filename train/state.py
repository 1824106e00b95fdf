"""All that a run of `train` learns, and what of it goes into a checkpoint beside networks and optimisers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from unit_edge.config import RunConfig
from unit_edge.errors import CheckpointError
from unit_edge.train.discriminators.adversaries import Adversaries
from unit_edge.train.group import Group
from unit_edge.train.guided import GuidedHead
from unit_edge.train.loop import Update
from unit_edge.train.networks import UNIT
from unit_edge.train.run import checkpoint
from unit_edge.train.run.discriminators import load_discriminators
from unit_edge.train.run.learner import Learner, named
from unit_edge.train.speed import lay_out, prepare
from unit_edge.train.warm_up import WarmUp, copy_halves
from unit_edge.train.widen import as_wide, widened

WARM_UP_OPTIMISER = "optimiser_warm_up"
FROZEN = "projection.features."
"""Prefix of ImageNet weights, which stay out of checkpoints."""


class TrainingState(Learner[RunConfig, UNIT, list[Tensor]]):
    """All that a run of `train` learns.

    Attributes:
        adversaries: D1, D2 and the feature discriminators.
        head: through which the adversaries see translations, or None.
        update: makes the next step.
        warm_up: what comes before the first step, or None once it is over.
    """

    NAME = "unit"
    OPTIMISERS = ("optimiser_g", "optimiser_d")

    def __init__(self, config: RunConfig, group: Group) -> None:
        super().__init__(config, group)
        optim = config.optim
        unit = UNIT(config.network).to(group.device)
        self.adversaries = Adversaries(config).to(group.device)
        lay_out(unit, config.speed)
        self._follow(unit)
        prepare(unit, self.adversaries, config.speed)
        self._optimise(((unit, optim.lr), (self.adversaries, optim.lr_discriminator or optim.lr)))
        guided = config.loss.discriminator_input == "guided"
        self.head = GuidedHead(config.detail).to(group.device) if guided else None
        self.update: Update = Update(config, unit, self.adversaries, self.optimisers, group, self.head)
        self.update.unseen = self.unseen
        self.warm_up = WarmUp(config, unit, group) if optim.warmup_steps else None

    @property
    def unit(self) -> UNIT:
        """E1, E2, G1, G2."""
        return self.nets

    @property
    def unseen(self) -> bool:
        """On a GPU, which is idle while this process waits; an overflow of fp16 must be seen, though."""
        return self.group.device.type == "cuda" and self.config.speed.precision != "fp16"

    def begin_from(self, run: Path) -> None:
        """Lets the networks, and their average, begin with a run's weights, without a warm-up.

        Wider networks begin with what computes the same, see `widened`. Discriminators begin with the run's
        as well, if it has any and is of the same domains: new ones know nothing yet, and for thousands of
        steps take away what the networks had learnt from others.

        Raises:
            CheckpointError: the run is missing or damaged, or its networks are others, or wider than these.
        """
        there, here = checkpoint.load_run_config(run), self.config.network
        if differing := differences("network", as_wide(there.network, here), here):
            raise CheckpointError(f"optim.weights {run}: other networks ({'; '.join(differing)})")
        weights = widened(checkpoint.load_weights(run, there), here, self.config.optim.seed)
        self.unit.load_state_dict(weights)
        self.ema.load_state_dict(weights)
        self.warm_up = None
        if domain_names(there) == domain_names(self.config):
            learnt, own = load_discriminators(run), self._learnt_adversaries()
            fitting = {k: v for k, v in learnt.items() if k in own and v.shape == own[k].shape}
            self._load_adversaries({**own, **fitting})

    def end_warm_up(self) -> None:
        """Lets both halves of the networks, and their average, begin where the warm-up has come to."""
        copy_halves(self.unit)
        self.ema.load_state_dict(self.unit.state_dict())
        self.warm_up = None

    def _usable(self) -> bool:
        return not self.warm_up  # in which E2 and G2 have learnt nothing yet

    def _own(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        tensors = named("adversaries", self._learnt_adversaries())
        state: dict[str, Any] = {"scaler": self.update.scaler.state_dict()}
        if self.warm_up:
            tensors |= checkpoint.flatten_optimiser(WARM_UP_OPTIMISER, self.warm_up.optimiser)
            state["warm_up"] = self.warm_up.step
        return tensors, state

    def _take_own(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        self._load_adversaries(checkpoint.part_of(tensors, "adversaries"))
        if "warm_up" not in state:
            self.warm_up = None
        elif self.warm_up:
            checkpoint.restore_optimiser(WARM_UP_OPTIMISER, self.warm_up.optimiser, tensors)
            self.warm_up.step = int(state["warm_up"])
        else:  # the settings have none any more
            self.end_warm_up()
        if self.update.scaler.is_enabled() and state.get("scaler"):
            self.update.scaler.load_state_dict(state["scaler"])

    def _learnt_adversaries(self) -> dict[str, Tensor]:
        return {k: v for k, v in self.adversaries.state_dict().items() if not k.startswith(FROZEN)}

    def _load_adversaries(self, learnt: Mapping[str, Tensor]) -> None:
        own = self.adversaries.state_dict().items()
        frozen = {name: value for name, value in own if name.startswith(FROZEN)}
        self.adversaries.load_state_dict({**learnt, **frozen})


def domain_names(config: RunConfig) -> tuple[str, str]:
    """The names of domain 1 and 2."""
    return config.domain1.name, config.domain2.name


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
