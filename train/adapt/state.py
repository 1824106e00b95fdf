"""All that an adaptation learns, and how it goes into a checkpoint and comes back."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch

from unit_edge.config.adapt import AdaptConfig
from unit_edge.settings import build
from unit_edge.train.adapt.networks import Adaptation
from unit_edge.train.adapt.step import AdaptUpdate, DigitBatch
from unit_edge.train.group import Group
from unit_edge.train.optim.ema import Ema
from unit_edge.train.optim.lr_schedule import lr_share
from unit_edge.train.run import checkpoint
from unit_edge.train.speed import memory_format

OPTIMISERS = ("optimiser_d", "optimiser_g")


class AdaptState:
    """Networks, optimisers and the step that they have reached.

    Attributes:
        step: steps done.
        nets: the networks that are trained.
        ema: their moving average, or `nets` itself if the settings have none.
        update: makes the next step.
        optimisers: of D1, D2 and, if they are trained, of E1, E2, G1, G2.
    """

    def __init__(self, config: AdaptConfig, device: torch.device) -> None:
        optim = config.optim
        self.config, self.step = config, 0
        self.group = Group(device)
        torch.manual_seed(optim.seed)
        self.nets = Adaptation(config.network).to(device)
        if optim.warmup_steps:
            self.nets.tie()
        self.nets.to(memory_format=memory_format(config.speed))  # type: ignore[call-overload]
        self._ema = Ema(self.nets, optim.ema) if optim.ema else None
        self.ema = self._ema.nets if self._ema else self.nets
        trained = (
            [self.nets.discriminator, self.nets.unit] if config.loss.adapts else [self.nets.discriminator]
        )
        self.rates = (optim.lr_discriminator or optim.lr, optim.lr)
        self.optimisers: list[torch.optim.Optimizer] = [
            torch.optim.Adam(part.parameters(), rate, optim.betas, weight_decay=optim.weight_decay)
            for part, rate in zip(trained, self.rates, strict=False)
        ]
        self.update = AdaptUpdate(config, self.nets, self.ema, self.optimisers, device)

    @property
    def faults(self) -> list[str]:
        """What was not finite in the newest step."""
        return self.update.faults

    def advance(self, batch: DigitBatch) -> dict[str, float]:
        """Makes one step on a batch; returns its terms."""
        self.nets.train()  # samples and scores leave them in evaluation mode if there is no average
        rate = lr_share(self.step, self.config.optim)
        for optimiser, full in zip(self.optimisers, self.rates, strict=False):
            optimiser.param_groups[0]["lr"] = full * rate
        terms = self.update(batch, self.step)
        self.step += 1
        if self._ema:
            self._ema.update(self.nets, self.step)
        return terms

    def save(self, run: Path) -> None:
        """Writes a checkpoint and RUN/weights.safetensors.

        Raises:
            CheckpointError: they can't be written; earlier ones are untouched.
        """
        averaged = self.ema.state_dict() if self._ema else {}
        tensors = {
            **{f"nets.{name}": value for name, value in self.nets.state_dict().items()},
            **{f"ema.{name}": value for name, value in averaged.items()},
        }
        for name, optimiser in zip(OPTIMISERS, self.optimisers, strict=False):
            tensors |= checkpoint.flatten_optimiser(name, optimiser)
        state = {"skipped": self.update.skipped, "shares": self.update.shares.tolist()}
        checkpoint.save_checkpoint(run, self.step, tensors, state, self.config.log.keep)
        checkpoint.save_weights(run, self.ema, self.step)

    def restore(self, run: Path) -> None:
        """Goes back to the newest checkpoint.

        Raises:
            CheckpointError: there is none, it is damaged, or it is of other networks or losses.
        """
        tensors, state = checkpoint.load_checkpoint(run)
        part = partial(checkpoint.part_of, tensors)
        with checkpoint.restoring(run):
            self.nets.load_state_dict(part("nets"))
            if self._ema:
                self.ema.load_state_dict(part("ema") or part("nets"))
            for name, optimiser in zip(OPTIMISERS, self.optimisers, strict=False):
                checkpoint.restore_optimiser(name, optimiser, tensors, partial=True)
            self.step = int(state["step"])
            self.update.skipped = int(state.get("skipped", 0))
            self.update.shares = torch.tensor(state["shares"], device=self.update.device)


def load_run_settings(run: Path) -> AdaptConfig:
    """Reads RUN/config.json of an adaptation.

    Raises:
        CheckpointError: the run is missing, damaged, or of `unit-edge train`.
    """
    return checkpoint.load_settings(run, "adapt", lambda raw: build(AdaptConfig, raw))


def load_adaptation(run: Path, config: AdaptConfig) -> Adaptation:
    """The networks of a run, in evaluation mode, on the CPU in fp32.

    Raises:
        CheckpointError: the weights are missing, damaged, or of other networks than the settings say.
    """
    nets = Adaptation(config.network)
    checkpoint.load_into(nets, run / checkpoint.WEIGHTS)
    return nets.eval()
