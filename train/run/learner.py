"""What learns in a run of `train` or `adapt`: networks, their average and optimisers, saved and restored."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from unit_edge.config import RunConfig
from unit_edge.config.adapt import AdaptConfig
from unit_edge.train.group import Group
from unit_edge.train.optim.descent import Outcome, skipped_in_a_row
from unit_edge.train.optim.ema import Ema
from unit_edge.train.optim.lr_schedule import lr_share
from unit_edge.train.run import checkpoint

Nets = TypeVar("Nets", bound=nn.Module)
Batch = TypeVar("Batch")
AnyBatch = TypeVar("AnyBatch", contravariant=True)
Config = TypeVar("Config", RunConfig, AdaptConfig)


class AlternatingUpdate(Protocol[AnyBatch]):
    """Makes steps of both sides of a GAN.

    Attributes:
        faults: what was not finite in the newest step; the update concerned was left out.
        outcomes: of the newest step's sides, if nobody has waited for them; it has no terms or faults then.
    """

    faults: list[str]
    outcomes: list[Outcome]

    def __call__(self, batch: AnyBatch, step: int, /) -> dict[str, float]:
        """One step on a batch; returns every weighted term."""


class Learner(ABC, Generic[Config, Nets, Batch]):
    """Networks, optimisers and the step that they have reached.

    Attributes:
        NAME: of the networks in a checkpoint.
        OPTIMISERS: their names there, in the order of `optimisers`.
        step: steps done.
        skipped: the newest of them that had a fault, in a row; as of the last `settle`.
        faults: what was not finite in the newest step, as of the last `settle`.
        best: score and step of the best evaluation so far, or None.
        nets: the networks whose average is kept.
        ema: their moving average, or `nets` itself if the settings have none.
        optimisers: one for each side that learns.
        update: makes the next step.
    """

    NAME: ClassVar[str]
    OPTIMISERS: ClassVar[tuple[str, ...]]
    WHOLE_MOMENTS: ClassVar[bool] = True
    """Whether every parameter has a gradient from the first step on."""
    update: AlternatingUpdate[Batch]

    def __init__(self, config: Config, group: Group) -> None:
        self.config: Config = config
        self.group = group
        self.step = self.skipped = 0
        self.faults: list[str] = []
        self._faulty: list[tuple[int, str]] = []
        self._unsettled: list[tuple[int, dict[str, float], list[str], list[Outcome]]] = []
        self.best: tuple[float, int] | None = None
        torch.manual_seed(config.optim.seed)

    def _follow(self, nets: Nets) -> None:
        """Stores the networks, and begins their average as they are."""
        decay = self.config.optim.ema
        self.nets = nets
        self._ema = Ema(nets, decay) if decay else None
        self.ema = self._ema.nets if self._ema else nets

    def _optimise(self, sides: Iterable[tuple[nn.Module, float]]) -> None:
        """Gives each side that has something to learn its optimiser, by its full learning rate."""
        optim = self.config.optim
        trained = [([p for p in side.parameters() if p.requires_grad], rate) for side, rate in sides]
        trained = [(parameters, rate) for parameters, rate in trained if parameters]
        self._rates = [rate for _, rate in trained]
        self.optimisers: list[torch.optim.Optimizer] = [
            torch.optim.Adam(
                parameters, rate, optim.betas, weight_decay=optim.weight_decay, fused=self.unseen or None
            )
            for parameters, rate in trained
        ]

    @property
    def unseen(self) -> bool:
        """Whether steps are made without waiting for what came of them, which `settle` then asks for."""
        return False

    def advance(self, batch: Batch) -> dict[str, float]:
        """Makes one step on a batch; returns its terms, or nothing of steps that are unseen.

        Raises:
            TrainingError: too many steps in a row were not finite.
        """
        self.nets.train()  # samples and scores leave them in evaluation mode if there is no average
        share = lr_share(self.step, self.config.optim)
        for optimiser, full in zip(self.optimisers, self._rates, strict=True):
            optimiser.param_groups[0]["lr"] = full * share
        terms = self.update(batch, self.step)
        self._unsettled.append((self.step, terms, list(self.update.faults), list(self.update.outcomes)))
        self.step += 1
        if self._ema:
            self._ema.update(self.nets, self.step)
        return {} if self.unseen else self.settle()

    def settle(self) -> dict[str, float]:
        """Waits for all steps since the last time, and looks at what came of them.

        Returns:
            Every weighted term of the newest step.

        Raises:
            TrainingError: too many steps in a row were not finite.
        """
        terms: dict[str, float] = {}
        for step, terms, faults, outcomes in self._unsettled:
            for outcome in outcomes:
                values, found = outcome.read()
                terms |= values
                faults += found
            self.faults = faults
            self._faulty += [(step + 1, fault) for fault in self.faults]
            most = self.config.optim.max_skipped
            self.skipped = skipped_in_a_row(self.skipped, self.faults, step, most)
        self._unsettled = []
        return terms

    def take_faulty(self) -> list[tuple[int, str]]:
        """Every fault that was found since the last time, and at which step, from 1."""
        found, self._faulty = self._faulty, []
        return found

    def save(self, run: Path) -> None:
        """Writes a checkpoint and, unless the networks can't be used yet, RUN/weights.safetensors.

        Raises:
            CheckpointError: they can't be written; earlier ones are untouched.
        """
        own_tensors, own_state = self._own()
        averaged = self.ema.state_dict() if self._ema else {}
        tensors = {**named(self.NAME, self.nets.state_dict()), **named("ema", averaged), **own_tensors}
        for name, optimiser in zip(self.OPTIMISERS, self.optimisers, strict=False):
            tensors |= checkpoint.flatten_optimiser(name, optimiser)
        state = {"best": self.best, "skipped": self.skipped, **own_state}
        spare = () if self.best is None else (self.best[1],)
        checkpoint.save_checkpoint(run, self.step, tensors, state, self.config.log.keep, spare)
        self.save_weights(run)

    def save_weights(self, run: Path) -> None:
        """Writes RUN/weights.safetensors, unless the networks can't be used yet.

        Raises:
            CheckpointError: they can't be written.
        """
        if self._usable():
            checkpoint.save_weights(run, self.ema, self.step)

    def restore(self, run: Path) -> None:
        """Goes back to the newest checkpoint.

        Raises:
            CheckpointError: there is none, it is damaged, or it is of other networks or losses.
        """
        tensors, state = checkpoint.load_checkpoint(run)
        part = partial(checkpoint.part_of, tensors)
        with checkpoint.restoring(run):
            self.nets.load_state_dict(part(self.NAME))
            if self._ema:
                self.ema.load_state_dict(part("ema") or part(self.NAME))
            for name, optimiser in zip(self.OPTIMISERS, self.optimisers, strict=False):
                checkpoint.restore_optimiser(name, optimiser, tensors, partial=not self.WHOLE_MOMENTS)
            self.step = int(state["step"])
            self.best = tuple(state["best"]) if state.get("best") else None
            self.skipped = int(state.get("skipped", 0))
            self._take_own(tensors, state)

    def _usable(self) -> bool:
        """Whether the networks have learnt something already."""
        return True

    @abstractmethod
    def _own(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """What a checkpoint holds beside this: tensors, and values for JSON."""

    @abstractmethod
    def _take_own(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Takes back what `_own` gave."""


def named(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors as PREFIX.NAME."""
    return {f"{prefix}.{name}": value for name, value in tensors.items()}
