"""The warm start: one E and one G learn as a plain VAE on both domains, and both halves begin as them.

Translation then starts as the identity. It is not part of the paper; `optim.warmup_steps = 0` leaves it out.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unit_edge.config import RunConfig
from unit_edge.errors import TrainingError
from unit_edge.train import losses
from unit_edge.train.draw import BatchPart, Draw, mix
from unit_edge.train.group import Group
from unit_edge.train.networks import DOMAINS, UNIT
from unit_edge.train.optim.descent import Descent
from unit_edge.train.optim.lr_schedule import linear_decay

WARM_UP = 3
"""What the warm-up draws random numbers for, beside the purposes of a step (train/loop.py)."""


class Autoencoder(nn.Module):
    """E1 and G1 as a VAE of images of any domain (equation 3)."""

    def __init__(self, unit: UNIT, config: RunConfig) -> None:
        super().__init__()
        self.encoder, self.generator = unit.encoder(0), unit.generator(0)
        self.config = config

    def forward(self, images: list[Tensor], draws: list[Draw]) -> dict[str, Tensor]:
        """The weighted terms for images of both domains, with the random numbers of each."""
        x, weights = torch.cat(images), self.config.loss
        mean = self.encoder(x)
        z = mean
        if self.config.network.variational:
            halves = mean.split([len(image) for image in images])
            z = torch.cat([draw.sample(half) for draw, half in zip(draws, halves, strict=True)])
        return {
            "kl1": weights.kl * losses.kl(mean),
            "reconstruction1": weights.reconstruction * losses.reconstruction(x, self.generator(z)),
        }


class WarmUp:
    """The warm start while it is under way.

    Attributes:
        step: steps done.
        optimiser: of E1 and G1.
    """

    def __init__(self, config: RunConfig, unit: UNIT, group: Group) -> None:
        self.config, self.group = config, group
        self.step = 0
        autoencoder = Autoencoder(unit, config)
        self.model = group.wrap(autoencoder)
        self.optimiser = torch.optim.Adam(autoencoder.parameters(), config.optim.warmup_lr)
        self._descent = Descent("E, G", autoencoder, self.optimiser, group)

    def advance(self, images: list[Tensor]) -> float:
        """Makes one step on this process's share of X1's and X2's images; returns the loss.

        Raises:
            TrainingError: a term or gradient is not finite, in any process.
        """
        optim, group, step = self.config.optim, self.group, self.step
        count = optim.batch // group.size
        part = BatchPart(optim.batch, group.rank * count, count)
        draws = [Draw((optim.seed, step, WARM_UP + domain), part, group.device) for domain in DOMAINS]
        torch.manual_seed(mix(optim.seed, step, WARM_UP, group.rank))  # for dropout
        self.optimiser.param_groups[0]["lr"] = optim.warmup_lr * linear_decay(step, optim.warmup_steps, 0.5)
        self._descent.begin()
        self._descent.backward(self.model(images[:2], draws))
        terms = self._descent.finish()
        if self._descent.faults:
            raise TrainingError(
                f"warm-up step {step + 1}: {self._descent.faults[0]}; lower optim.warmup_lr and start anew"
            )
        self.step += 1
        return sum(terms.values())


def copy_halves(unit: UNIT) -> None:
    """Lets the private parts of E2 and G2 begin as those of E1 and G1."""
    for private in (unit.encoders, unit.generators):
        private[1].load_state_dict(private[0].state_dict())
