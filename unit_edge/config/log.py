"""The `[log]` table: what a run leaves behind."""

from __future__ import annotations

from dataclasses import dataclass

from unit_edge.errors import require


@dataclass(frozen=True)
class LogConfig:
    """What a run leaves behind, and how often, in steps."""

    print_every: int = 20
    sample_every: int = 500
    evaluate_every: int = 0
    """Kernel distance on the validation images (needs the imagenet extra); 0: never."""
    checkpoint_every: int = 500
    keep: int = 2
    """Checkpoints that stay, beside the best-scoring one."""
    tensorboard: bool = True
    """Write scalars, sample grids and histograms of z to RUN/tensorboard (if it is installed)."""

    def __post_init__(self) -> None:
        for name in ("print_every", "sample_every", "checkpoint_every", "keep"):
            require(getattr(self, name) > 0, f"log.{name}", getattr(self, name), "1 or more")
        require(self.evaluate_every >= 0, "log.evaluate_every", self.evaluate_every, "0 or more")
