"""The two sides of an alternating update (section 3 of the paper): what D1, D2 and what E, G minimise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unit_edge.config import LossConfig, RunConfig
from unit_edge.train import losses
from unit_edge.train.critic import Critic, Projection, shift
from unit_edge.train.draw import Draw
from unit_edge.train.features import Features
from unit_edge.train.guided import GuidedHead
from unit_edge.train.networks import DOMAINS, UNIT, Discriminator, initialise


class Adversaries(nn.Module):
    """D1, D2 and, if the settings name a critic, a critic a domain.

    Attributes:
        discriminators: D1, D2 on pixels.
        critics: their counterparts on ImageNet features, or an empty list.
        projection: the fixed part that the critics share, or None.
    """

    def __init__(self, config: RunConfig) -> None:
        super().__init__()
        network = config.network
        self.weights = config.loss
        self.discriminators = nn.ModuleList(Discriminator(network) for _ in DOMAINS if config.loss.gan > 0)
        initialise(self.discriminators, network.init)
        uses_critic = network.critic != "none" and config.loss.critic > 0
        self.critics = nn.ModuleList(Critic() for _ in DOMAINS if uses_critic)
        self.projection = Projection(Features(network.critic)) if uses_critic else None

    def forward(self, images: list[Tensor], judged: list[Tensor], draw: Draw) -> dict[str, Tensor]:
        """The weighted terms that D1, D2 minimise (equation 4); real and fake images go through as one batch.

        Args:
            images: real images of X1 and of X2.
            judged: translations into X1 and into X2 as the adversaries see them; no gradient flows into them.
            draw: of this step, from which only the critics' shifts are taken.
        """
        terms = {}
        for domain in DOMAINS:
            real, fake = images[domain], judged[domain].detach()
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
                    with held(discriminator):
                        penalty = losses.r1(discriminator.forward, real)
                    terms[f"r1_{domain + 1}"] = self.weights.r1 * penalty
            if self.projection is not None:
                with torch.no_grad():
                    levels = self.projection(torch.cat([shift(real, draw), shift(fake, draw)]))
                logits = [level.chunk(2) for level in self.critics[domain](levels)]
                loss = losses.hinge_discriminator([r for r, _ in logits], [f for _, f in logits])
                terms[f"critic_d{domain + 1}"] = self.weights.critic * loss
        return terms


@dataclass(frozen=True)
class Streams:
    """The images that one pass of both VAEs gives, with the means of the codes that they are from.

    What no weight asks for is not computed: its list is empty.
    """

    means: list[Tensor]
    """mu1 = E1(x1), mu2 = E2(x2)."""
    reconstructions: list[Tensor]
    """G1(z1), G2(z2)."""
    translations: list[Tensor]
    """Into X1 and into X2: G1(z2), G2(z1)."""


class Generators(nn.Module):
    """E1, E2, G1, G2 as they are trained: from images to the streams."""

    def __init__(self, unit: UNIT, weights: LossConfig) -> None:
        super().__init__()
        self.unit = unit
        self.reconstructs = weights.reconstruction > 0
        self.translates = max(weights.gan, weights.critic, weights.cycle, weights.cycle_kl) > 0

    def forward(self, images: list[Tensor], draw: Draw, translations_only: bool = False) -> Streams:
        """Encodes both domains, samples z once, and decodes each code into the domains that are asked for.

        Args:
            images: of X1 and of X2.
            draw: of this step.
            translations_only: leave out the reconstructions, which D does not see.
        """
        unit = self.unit
        if not unit.config.encoders:
            return self._imagine(images[0], draw)
        means = unit.encode(*images)
        codes = [draw.sample(mean) for mean in means] if unit.config.variational else means
        hidden = torch.split(unit.lift(torch.cat(codes)), [len(x) for x in images])
        reconstructs = self.reconstructs and not translations_only
        reconstructions: list[Tensor] = []
        translations: list[Tensor] = []
        for domain in DOMAINS:
            wanted = [hidden[domain]] * reconstructs + [hidden[1 - domain]] * self.translates
            decoded = unit.render(torch.cat(wanted), domain).chunk(len(wanted)) if wanted else ()
            reconstructions += decoded[:reconstructs]
            translations += decoded[reconstructs:]
        return Streams(means, reconstructions, translations)

    def _imagine(self, like: Tensor, draw: Draw) -> Streams:
        """CoGAN: both domains' image of one code, which nobody encoded."""
        height, width = like.shape[2] // 4, like.shape[3] // 4
        hidden = self.unit.lift(draw.noise((self.unit.config.residual_width, height, width)))
        return Streams([], [], [self.unit.render(hidden, domain) for domain in DOMAINS])


def generator_terms(
    unit: UNIT,
    adversaries: Adversaries,
    images: list[Tensor],
    streams: Streams,
    judged: list[Tensor],
    draw: Draw,
    weights: LossConfig,
) -> dict[str, Tensor]:
    """The weighted terms that E1, E2, G1, G2 minimise (equations 3-5); a weight of 0 costs nothing."""
    terms: dict[str, Tensor] = {}
    for domain in DOMAINS:
        name = str(domain + 1)
        if weights.kl > 0:
            terms[f"kl{name}"] = weights.kl * losses.kl(streams.means[domain])
        if weights.reconstruction > 0:
            loss = losses.reconstruction(images[domain], streams.reconstructions[domain])
            terms[f"reconstruction{name}"] = weights.reconstruction * loss
        if weights.gan > 0:
            logits = adversaries.discriminators[domain](judged[domain])
            terms[f"gan{name}"] = weights.gan * losses.gan_generator(logits, weights.gan_loss)
        if adversaries.projection is not None:
            logits = adversaries.critics[domain](adversaries.projection(shift(judged[domain], draw)))
            terms[f"critic{name}"] = weights.critic * losses.hinge_generator(logits)
    if weights.cycle > 0 or weights.cycle_kl > 0:
        into1, into2 = unit.encode(*streams.translations)
        for domain, mean in ((1, into1), (0, into2)):
            name = str(domain + 1)
            if weights.cycle_kl > 0:
                terms[f"cycle_kl{name}"] = weights.cycle_kl * losses.kl(mean)
        if weights.cycle > 0:
            codes = (
                [draw.sample(mean) for mean in (into1, into2)] if unit.config.variational else [into1, into2]
            )
            hidden = torch.split(unit.lift(torch.cat(codes)), [len(x) for x in streams.translations])
            for domain in DOMAINS:
                cycled = unit.render(hidden[1 - domain], domain)
                terms[f"cycle{domain + 1}"] = weights.cycle * losses.reconstruction(images[domain], cycled)
    return terms


def as_judged(images: list[Tensor], translations: list[Tensor], head: GuidedHead | None) -> list[Tensor]:
    """Translations as the adversaries see them: through the guided head, if there is one."""
    if head is None:
        return translations
    return [head.at_small_size(x, y) for x, y in zip(reversed(images), translations, strict=True)]


@contextmanager
def held(module: nn.Module) -> Iterator[None]:
    """No running estimate in the module changes inside: the vectors of spectral norms move once a step."""
    mode = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(mode)


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """No parameter of the module collects a gradient inside, and no running estimate in it changes."""
    trainable = [parameter for parameter in module.parameters() if parameter.requires_grad]
    for parameter in trainable:
        parameter.requires_grad_(False)
    try:
        with held(module):
            yield
    finally:
        for parameter in trainable:
            parameter.requires_grad_(True)
