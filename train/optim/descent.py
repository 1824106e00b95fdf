"""One side of a step on its way down, which is left out where a term or a gradient is not finite."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
        outcome = self._outcome()
        terms, faults = outcome.read()
        self.faults = [
            f"{fault} ({_culprit(self.module)})" if outcome.of_gradient else fault for fault in faults
        ]
        # an overflow, which the scaler mends with a smaller scale
        if outcome.of_gradient and self.scaler.is_enabled() and self.scaler.get_scale() > 1:
            self.faults = []
        if not self.faults:
            self.scaler.step(self.optimiser)
        if self.scaler.is_enabled():
            self.scaler.update()
        return terms

    def finish_unseen(self) -> Outcome:
        """The same, decided where the gradients are: this process doesn't wait until they are worked out.

        The optimiser must be a fused one, which leaves out the step itself; there must be no scaler.
        """
        outcome = self._outcome()
        self.optimiser.found_inf = (~outcome.values.isfinite().all()).float()  # type: ignore[attr-defined]
        self.optimiser.step()
        return outcome

    def _outcome(self) -> Outcome:
        norm = nn.utils.get_total_norm([p.grad for p in self.module.parameters() if p.grad is not None])
        values = self.group.mean(torch.stack([*self._total.values(), norm]))
        return Outcome(self.side, tuple(self._total), values)


@dataclass
class Outcome:
    """What came of one side's step, a mean over micro-batches and processes, where it was worked out.

    Attributes:
        side: what messages call it.
        names: of the weighted terms.
        values: theirs and the gradient's norm, float[len(names) + 1].
        of_gradient: whether the fault that was read is the gradient's.
    """

    side: str
    names: tuple[str, ...]
    values: Tensor
    of_gradient: bool = False

    def read(self) -> tuple[dict[str, float], list[str]]:
        """Every weighted term, and what is not finite; waits until all of it is worked out."""
        *values, size = self.values.tolist()
        terms = dict(zip(self.names, values, strict=True))
        faults = [f"{name} is {value}" for name, value in terms.items() if not math.isfinite(value)]
        self.of_gradient = not faults and not math.isfinite(size)
        return terms, [f"the gradient of {self.side} is {size}"] if self.of_gradient else faults


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
