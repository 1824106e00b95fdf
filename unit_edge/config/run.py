"""All settings of a training run.

unit_edge/settings.py reads them from TOML and JSON.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from unit_edge.config.contradictions import check_ablations, check_guide, check_sizes
from unit_edge.config.data import DataConfig, DomainConfig
from unit_edge.config.detail import Detail
from unit_edge.config.guide import GuideConfig
from unit_edge.config.log import LogConfig
from unit_edge.config.loss import LossConfig
from unit_edge.config.network import NetworkConfig
from unit_edge.config.optim import OptimConfig
from unit_edge.config.presets import PRESETS
from unit_edge.config.speed import SpeedConfig
from unit_edge.errors import require


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides what a run computes."""

    domain1: DomainConfig
    domain2: DomainConfig
    preset: str = "paper"
    """Where what a file leaves out comes from: a key of `PRESETS` (unit_edge/config/presets.py)."""
    network: NetworkConfig = field(default_factory=NetworkConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    guide: GuideConfig = field(default_factory=GuideConfig)
    data: DataConfig = field(default_factory=DataConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    speed: SpeedConfig = field(default_factory=SpeedConfig)
    log: LogConfig = field(default_factory=LogConfig)
    detail: Detail = field(default_factory=Detail)

    def __post_init__(self) -> None:
        require(self.preset in PRESETS, "preset", self.preset, f"one of {', '.join(PRESETS)}")
        other = self.domain2.name
        require(self.domain1.name != other, "domain2.name", other, "another than domain1's")
        check_sizes(self.network, self.data, self.optim, self.speed)
        check_ablations(self.network, self.loss, self.guide, self.optim, self.log)
        check_guide(self.guide, self.network, self.loss)


def as_dict(config: RunConfig) -> dict[str, Any]:
    """Plain tables for JSON; `settings.from_dict` restores the same settings."""
    return dataclasses.asdict(config)
