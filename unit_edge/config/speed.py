"""The `[speed]` table: what changes a step's time and memory alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from unit_edge.errors import require


@dataclass(frozen=True)
class SpeedConfig:
    """What changes only a step's speed and memory, and the rounding of what it computes."""

    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """Autocast of convolutions; losses, weights and optimisers stay in fp32."""
    channels_last: bool = True
    """Memory layout NHWC."""
    compile: bool = False
    """torch.compile of the networks; needs a C++ compiler."""
    checkpointing: bool = False
    """Residual blocks are computed again in the backward pass instead of kept: less memory, more time."""
    accumulate: int = 1
    """Micro-batches that a process cuts its share of the batch into: less memory, more time."""

    def __post_init__(self) -> None:
        require(self.accumulate >= 1, "speed.accumulate", self.accumulate, "1 or more")
