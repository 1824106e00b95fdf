"""Networks small enough for a test, and runs of them on random images."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from unit_edge.config import (
    DataConfig,
    DomainConfig,
    LossConfig,
    NetworkConfig,
    OptimConfig,
    RunConfig,
    SpeedConfig,
)
from unit_edge.train.group import Group
from unit_edge.train.state import TrainingState

TINY = NetworkConfig(front=(4, 6, 8), residual_width=10, residual_blocks=2, discriminator=(4, 4, 4))
LIVELY = replace(TINY, negative_slope=0.2, init="kaiming-half")
"""Its weights are large enough for every part to matter from the first step on."""
TWO_SCALES = replace(LIVELY, scales=2, discriminator_kernel=1, spectral_norm=True)
SIDE = 32
CPU = torch.device("cpu")


def settings(
    network: NetworkConfig = LIVELY,
    loss: LossConfig | None = None,
    optim: OptimConfig | None = None,
    speed: SpeedConfig | None = None,
) -> RunConfig:
    """A run on no files; by default a batch of two images a domain."""
    return RunConfig(
        domain1=DomainConfig(name="dark", paths=("dark",)),
        domain2=DomainConfig(name="bright", paths=("bright",)),
        network=network,
        loss=loss or LossConfig(),
        data=DataConfig(short_side=(34, 40), crop=(SIDE, SIDE)),
        optim=optim or OptimConfig(steps=10, batch=2, lr=1e-3),
        speed=speed or SpeedConfig(),
    )


def pictures(batch: int, step: int = 0) -> list[Tensor]:
    """Random images of X1 and of X2."""
    generator = torch.Generator().manual_seed(100 + step)
    return [torch.rand(batch, 3, SIDE, SIDE, generator=generator) * 2 - 1 for _ in range(2)]


def state_of(config: RunConfig, group: Group | None = None) -> TrainingState:
    return TrainingState(config, group or Group(CPU))


def advance(state: TrainingState, steps: int = 3) -> list[dict[str, float]]:
    """Makes steps on random images; the terms of each."""
    batch = state.config.optim.batch
    return [state.advance(pictures(batch, state.step)) for _ in range(steps)]


def snapshot(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in module.named_parameters()}


def changed(module: nn.Module, before: dict[str, Tensor]) -> set[str]:
    """Names of the parameters that are not what they were."""
    return {name for name, value in module.named_parameters() if not torch.equal(value, before[name])}


def names(module: nn.Module) -> set[str]:
    return {name for name, _ in module.named_parameters()}
