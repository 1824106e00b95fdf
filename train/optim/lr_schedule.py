"""Learning rates over the steps of a run."""

from __future__ import annotations

from unit_edge.config import OptimConfig


def lr_share(step: int, optim: OptimConfig) -> float:
    """The share of the full learning rates at a step, 0 to 1: linear decay and halving multiply."""
    halvings = step // optim.halve_every if optim.halve_every else 0
    return linear_decay(step, optim.steps, optim.decay_from) * 0.5**halvings


def linear_decay(step: int, steps: int, start: float) -> float:
    """1 until a share `start` of the steps is done, then linearly to 0."""
    begin = start * steps
    return 1.0 if step < begin or begin >= steps else (steps - step) / (steps - begin)
