"""The exponential moving average (EMA) of a run's networks, which is what is evaluated and exported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar, cast

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

Nets = TypeVar("Nets", bound=nn.Module)


class Ema(Generic[Nets]):
    """Follows networks in what they learn.

    Attributes:
        nets: their averaged copy, in evaluation mode, that needs no gradients.
    """

    def __init__(self, nets: Nets, decay: float) -> None:
        """Copies the networks.

        Args:
            nets: those to follow; they stay what they are.
            decay: the share of the average that a step leaves, below 1.
        """
        self.decay = decay
        # running estimates (BatchNorm's) of networks that are an average are averages too
        self._averaged = AveragedModel(nets, use_buffers=True)
        self._averaged.n_averaged.fill_(1)  # of none, the first update would copy instead of average
        self.nets = cast(Nets, self._averaged.module.eval().requires_grad_(False))

    def update(self, nets: Nets, step: int) -> None:
        """Moves the average towards the networks after a step (1 or more); at first it follows faster."""
        decay = min(self.decay, step / (step + 10))
        average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]

        def of_numbers(mine: Sequence[Tensor], theirs: Sequence[Tensor], count: Tensor | int) -> None:
            if mine[0].is_floating_point():  # BatchNorm's counters are no matter
                average(mine, theirs, count)

        self._averaged.multi_avg_fn = of_numbers
        self._averaged.update_parameters(nets)
