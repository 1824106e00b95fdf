"""Settings: frozen dataclasses, one file a table, that reject contradictions when they are made.

Those of `unit-edge adapt` are in unit_edge/config/adapt.py. unit_edge/settings.py reads all of them.
"""

from unit_edge.config.data import DataConfig, DomainConfig
from unit_edge.config.detail import Detail
from unit_edge.config.guide import GuideConfig
from unit_edge.config.log import LogConfig
from unit_edge.config.loss import LossConfig
from unit_edge.config.network import NetworkConfig
from unit_edge.config.optim import OptimConfig
from unit_edge.config.presets import PRESETS, preset_network
from unit_edge.config.run import RunConfig, as_dict
from unit_edge.config.speed import SpeedConfig

__all__ = [
    "PRESETS",
    "DataConfig",
    "Detail",
    "DomainConfig",
    "GuideConfig",
    "LogConfig",
    "LossConfig",
    "NetworkConfig",
    "OptimConfig",
    "RunConfig",
    "SpeedConfig",
    "as_dict",
    "preset_network",
]
