"""The switches that change a step's speed and memory only (SpeedConfig)."""

from __future__ import annotations

import shutil

import torch
from torch import nn

from unit_edge.config import SpeedConfig
from unit_edge.errors import ConfigError
from unit_edge.train.discriminators.adversaries import Adversaries
from unit_edge.train.networks import UNIT


def prepare(unit: UNIT, adversaries: Adversaries, speed: SpeedConfig) -> None:
    """Sets up networks in place; their names in a checkpoint stay the same.

    Raises:
        ConfigError: compiling is wanted, and there is no compiler.
    """
    unit.checkpointing = speed.checkpointing
    for module in (unit, adversaries):
        lay_out(module, speed)
    if speed.compile:
        if not any(map(shutil.which, ("c++", "g++", "clang++", "cl"))):
            raise ConfigError("speed.compile: there is no C++ compiler; install g++, or leave it off")
        parts: list[nn.Module] = [*unit.encoders, *unit.generators, *adversaries.discriminators]
        parts += [shared for shared in (unit.encoder_shared, unit.generator_shared) if len(shared)]
        for part in parts:
            part.compile()


def lay_out(module: nn.Module, speed: SpeedConfig) -> None:
    """Gives a module's weights the memory layout of the settings."""
    module.to(memory_format=memory_format(speed))  # type: ignore[call-overload]


def memory_format(speed: SpeedConfig) -> torch.memory_format:
    """The memory layout that images and weights have with these settings."""
    return torch.channels_last if speed.channels_last else torch.contiguous_format
