"""All that E and G learn against: D1, D2 on pixels, and their counterparts on ImageNet features."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unit_edge.config import RunConfig
from unit_edge.train import losses
from unit_edge.train.discriminators.feature_discriminator import FeatureDiscriminator, Projection, shift
from unit_edge.train.draw import Draw
from unit_edge.train.features import Features
from unit_edge.train.grad_mode import eval_mode
from unit_edge.train.guides.pair_loss import PairLoss
from unit_edge.train.networks import DOMAINS, Discriminator, initialise


class Adversaries(nn.Module):
    """D1, D2 and, if the settings name one, a feature discriminator a domain.

    Attributes:
        discriminators: D1, D2 on pixels.
        feature_discriminators: their counterparts on ImageNet features, or an empty list.
        projection: the fixed part that the latter share, or None.
    """

    def __init__(self, config: RunConfig) -> None:
        super().__init__()
        network = config.network
        self.weights = config.loss
        self.discriminators = nn.ModuleList(Discriminator(network) for _ in DOMAINS if config.loss.gan > 0)
        initialise(self.discriminators, network.init)
        on_features = network.feature_discriminator != "none" and config.loss.feature_gan > 0
        self.feature_discriminators = nn.ModuleList(FeatureDiscriminator() for _ in DOMAINS if on_features)
        self.projection = Projection(Features(network.feature_discriminator)) if on_features else None
        features = self.projection.features if self.projection else None
        if features is None and config.guide.name != "none" and config.guide.features > 0:
            features = Features(network.feature_discriminator)
        self.pairs = PairLoss(config.guide, features)

    def forward(self, images: list[Tensor], d_inputs: list[Tensor], draw: Draw) -> dict[str, Tensor]:
        """The weighted terms that D1, D2 minimise (equation 4); real and fake images go through as one batch.

        Args:
            images: real images of X1 and of X2.
            d_inputs: translations into X1 and into X2 as the adversaries see them; they get no gradient.
            draw: of this step; only shifts of what the feature discriminators see are taken from it.
        """
        terms = {}
        for domain in DOMAINS:
            real, fake = images[domain], d_inputs[domain].detach()
            both = torch.cat([real, fake])
            if self.discriminators:
                discriminator = self.discriminators[domain]
                logits = [scale.chunk(2) for scale in discriminator(both)]
                loss = losses.gan_discriminator(
                    [r for r, _ in logits], [f for _, f in logits], self.weights.gan_loss
                )
                terms[f"d{domain + 1}"] = self.weights.gan * loss
                if self.weights.r1 > 0:
                    # `forward`: a compiled pass has no second derivative
                    with eval_mode(discriminator):
                        penalty = losses.r1(discriminator.forward, real)
                    terms[f"r1_{domain + 1}"] = self.weights.r1 * penalty
            if self.projection is not None:
                with torch.no_grad():
                    seen = [shift(self.seen(x, domain), draw) for x in (real, fake)]
                    levels = self.projection(torch.cat(seen))
                logits = [level.chunk(2) for level in self.feature_discriminators[domain](levels)]
                loss = losses.hinge_discriminator([r for r, _ in logits], [f for _, f in logits])
                terms[f"feature_d{domain + 1}"] = self.weights.feature_gan * loss
        return terms

    def seen(self, images: Tensor, domain: int) -> Tensor:
        """What the feature discriminators see: images with `loss.feature_colours` of their colours.

        Args:
            images: float[N,3,H,W], of the domain or translated into it.
            domain: 0 or 1.
        """
        share = self.weights.feature_colours
        if domain == 1 and self.weights.feature_colours2 is not None:
            share = self.weights.feature_colours2
        return images.mean(1, keepdim=True).expand_as(images).lerp(images, share)
