"""The `[optim]` table: Adam, and how long it runs."""

from __future__ import annotations

from dataclasses import dataclass

from unit_edge.errors import require

STEPS_AT_MOST = 100_000_000
"""Of any count of steps: months, at ten a second."""


@dataclass(frozen=True)
class OptimConfig:
    """Adam and how long it runs."""

    steps: int = 500_000
    """Alternating updates: one of D1, D2 and one of E, G each."""
    batch: int = 1
    """Images a domain a step, over all processes and micro-batches."""
    lr: float = 1e-4
    """Learning rate of E and G (paper: 1e-4)."""
    lr_discriminator: float | None = None
    """Learning rate of D1, D2; unset, the same."""
    betas: tuple[float, float] = (0.5, 0.999)
    """Adam's betas."""
    weight_decay: float = 0.0
    """Adam's L2 penalty (released code: 1e-4)."""
    decay_from: float = 1.0
    """The share of the steps after which both learning rates fall linearly to zero; 1: never."""
    halve_every: int = 0
    """Steps after which both learning rates halve, again and again; 0: never."""
    warmup_steps: int = 0
    """Steps in which one E and one G learn as a plain VAE on both domains; the rest starts from them."""
    warmup_lr: float = 5e-4
    """Learning rate of the warm-up."""
    weights: str = ""
    """The folder of a run whose weights E1, E2, G1 and G2 begin with, without a warm-up, relative to the
    current folder; empty: none. Networks wider than its own begin with what computes the same; the
    discriminators of its last checkpoint or its file are taken as well where domains are the same."""
    ema: float = 0.0
    """Decay of the moving average of E and G that is evaluated and exported; 0: none."""
    max_skipped: int = 10
    """Updates in a row that are skipped for a NaN or Inf before the run stops."""
    seed: int = 0
    """All random numbers follow from it: weights, samples and latent noise."""

    def __post_init__(self) -> None:
        require(self.steps > 0, "optim.steps", self.steps, "1 or more")
        require(self.seed >= 0, "optim.seed", self.seed, "0 or more")
        require(self.batch > 0, "optim.batch", self.batch, "1 or more")
        for name in ("lr", "lr_discriminator", "warmup_lr"):
            rate = getattr(self, name)
            require(rate is None or rate > 0, f"optim.{name}", rate, "above 0")
        require(all(0 <= beta < 1 for beta in self.betas), "optim.betas", self.betas, "0 or more, below 1")
        require(self.warmup_steps >= 0, "optim.warmup_steps", self.warmup_steps, "0 or more")
        require(0 <= self.ema < 1, "optim.ema", self.ema, "0 or more, below 1")
        require(0 <= self.decay_from <= 1, "optim.decay_from", self.decay_from, "0 to 1")
        require(self.weight_decay >= 0, "optim.weight_decay", self.weight_decay, "0 or more")
        require(self.halve_every >= 0, "optim.halve_every", self.halve_every, "0 or more")
        require(self.max_skipped >= 1, "optim.max_skipped", self.max_skipped, "1 or more")
