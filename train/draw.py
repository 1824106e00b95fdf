"""The random numbers of a training step.

They are a function of the seed, the step and the image's place in the batch alone. So a run goes on
after a stop as if there had been none, and gives the same whether its batch is computed at once, cut
into micro-batches, or spread over processes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class BatchPart:
    """The images `first` to `first + count` of a step's `batch` images a domain."""

    batch: int
    first: int
    count: int


class Draw:
    """Draws for a part of a step's batch, always in the same order."""

    def __init__(self, key: tuple[int, ...], part: BatchPart, device: torch.device) -> None:
        """Starts anew.

        Args:
            key: the run's seed, the step and what the numbers are for.
            part: whose numbers are wanted.
            device: where noise is made.
        """
        self.part = part
        self._noise = torch.Generator(device).manual_seed(mix(*key, 0))
        self._integers = torch.Generator().manual_seed(mix(*key, 1))

    def noise(self, shape: tuple[int, ...]) -> Tensor:
        """N(0, 1), float[count, *shape]."""
        size = (self.part.batch, *shape)
        return self._own(torch.randn(size, generator=self._noise, device=self._noise.device))

    def sample(self, mean: Tensor) -> Tensor:
        """z ~ q(z|x) = N(mean, I), by reparametrisation. At inference z is the mean itself."""
        return mean + self.noise(tuple(mean.shape[1:]))

    def integers(self, high: int) -> list[int]:
        """Uniform in 0..high-1, one an image."""
        return self._own(torch.randint(high, (self.part.batch,), generator=self._integers)).tolist()

    def _own(self, whole: Tensor) -> Tensor:
        return whole[self.part.first : self.part.first + self.part.count]


def mix(*numbers: int) -> int:
    """A seed of 63 bits from several numbers, such that near ones give unrelated seeds."""
    # SeedSequence pads with zeros, so that without the count (3, 7) and (3, 7, 0) would be the same
    entropy = (len(numbers), *numbers)
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> np.uint64(1))
