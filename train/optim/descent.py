"""One side of a step on its way down, which is left out where a term or a gradient is not finite."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from unit_edge.errors import TrainingError
from unit_edge.train.group import Group


class Descent:
    """Adds up the gradients of a side's terms, and lets its optimiser take a step if all are finite.

    Attributes:
        optimiser: of the side's parameters.
        faults: what was not finite in the newest step, which was then left out.
    """

    def __init__(
        self,
        side: str,
        module: nn.Module,
        optimiser: torch.optim.Optimizer,
        group: Group,
        scaler: torch.amp.GradScaler | None = None,
        micro_batches: int = 1,
    ) -> None:
        """Stores what a step needs.

        Args:
            side: what messages call it, "D" or "E, G".
            module: whose gradients are looked at.
            optimiser: of its parameters.
            group: the processes that share each batch.
            scaler: of fp16's losses; None where there is none.
            micro_batches: that a process cuts its share of the batch into.
        """
        self.side, self.module, self.optimiser, self.group = side, module, optimiser, group
        self.scaler = scaler or torch.amp.GradScaler(group.device.type, enabled=False)
        self.share = 1 / micro_batches
        self.faults: list[str] = []
        self._total: dict[str, Tensor] = {}

    def begin(self) -> None:
        """Forgets the gradients and terms of the step before."""
        self.optimiser.zero_grad(set_to_none=True)
        self.faults, self._total = [], {}

    def backward(self, terms: Mapping[str, Tensor]) -> None:
        """Adds the gradients and values of a micro-batch's weighted terms to the step's."""
        loss = torch.stack(list(terms.values())).sum() * self.share
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        for name, value in terms.items():
            self._total[name] = self._total.get(name, 0) + value.detach() * self.share

    def finish(self) -> dict[str, float]:
        """Takes the step, unless a term or gradient is not finite in any process.

        Returns:
            Every weighted term, a mean over micro-batches and processes.
        """
        self.scaler.unscale_(self.optimiser)
        norm = nn.utils.get_total_norm([p.grad for p in self.module.parameters() if p.grad is not None])
        *values, size = self.group.mean(torch.stack([*self._total.values(), norm])).tolist()
        terms = dict(zip(self._total, values, strict=True))
        self.faults = [f"{name} is {value}" for name, value in terms.items() if not math.isfinite(value)]
        if not self.faults and not math.isfinite(size):
            self.faults = [f"the gradient of {self.side} is {size} ({_culprit(self.module)})"]
            if self.scaler.is_enabled() and self.scaler.get_scale() > 1:
                self.faults = []  # an overflow, which the scaler mends with a smaller scale
        if not self.faults:
            self.scaler.step(self.optimiser)
        if self.scaler.is_enabled():
            self.scaler.update()
        return terms


def skipped_in_a_row(before: int, faults: Sequence[str], step: int, most: int) -> int:
    """How many steps in a row had a fault, by how many there were before this one.

    Raises:
        TrainingError: `most` or more (optim.max_skipped).
    """
    skipped = before + 1 if faults else 0
    if skipped >= most:
        raise TrainingError(
            f"step {step + 1}: {faults[0]}, and {skipped} steps in a row had such a fault (optim.max_skipped)"
        )
    return skipped


def _culprit(module: nn.Module) -> str:
    """The first parameter whose gradient is not finite."""
    for name, parameter in module.named_parameters():
        if parameter.grad is not None and not parameter.grad.isfinite().all():
            return name
    return "its norm"
