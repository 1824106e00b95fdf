"""The warm start: one E and one G learn as a plain VAE on both domains, and both halves begin as them.

Translation then starts as the identity. It is not part of the paper; `optim.warmup_steps = 0` leaves it out.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unit_edge.config import RunConfig
from unit_edge.train import losses
from unit_edge.train.draw import Draw
from unit_edge.train.networks import UNIT


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


def copy_halves(unit: UNIT) -> None:
    """Lets the private parts of E2 and G2 begin as those of E1 and G1."""
    for private in (unit.encoders, unit.generators):
        private[1].load_state_dict(private[0].state_dict())
