"""All that an adaptation learns, and how its networks are read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from unit_edge.config.adapt import AdaptConfig
from unit_edge.settings import build
from unit_edge.train.adapt.loop import AdaptUpdate
from unit_edge.train.adapt.networks import Adaptation
from unit_edge.train.adapt.step import DigitBatch
from unit_edge.train.group import Group
from unit_edge.train.run import checkpoint
from unit_edge.train.run.learner import Learner
from unit_edge.train.speed import memory_format


class AdaptState(Learner[AdaptConfig, Adaptation, DigitBatch]):
    """All that an adaptation learns: its networks, and what the target's classes look like."""

    NAME = "nets"
    OPTIMISERS = ("optimiser_d", "optimiser_g")
    WHOLE_MOMENTS = False  # in the warm-up

    def __init__(self, config: AdaptConfig, device: torch.device) -> None:
        super().__init__(config, Group(device))
        optim = config.optim
        nets = Adaptation(config.network).to(device)
        if optim.warmup_steps:
            nets.tie()
        nets.to(memory_format=memory_format(config.speed))  # type: ignore[call-overload]
        self._follow(nets)
        sides: list[tuple[nn.Module, float]] = [
            (nets.discriminator, optim.lr_discriminator or optim.lr),
            (nets.unit, optim.lr),
        ]
        self._optimise(sides if config.loss.adapts else sides[:1])
        self.update: AdaptUpdate = AdaptUpdate(config, nets, self.ema, self.optimisers, device)

    def _own(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        return {}, {"shares": self.update.shares.tolist()}

    def _take_own(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
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
