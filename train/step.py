"""The two sides of an alternating update (section 3 of the paper): what D1, D2 and what E, G minimise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from unit_edge.config import LossConfig, RunConfig
from unit_edge.train import losses
from unit_edge.train.critic import Critic, Projection, shift
from unit_edge.train.draw import Draw
from unit_edge.train.features import Features
from unit_edge.train.guided import GuidedHead
from unit_edge.train.guides.pair_loss import PairLoss
from unit_edge.train.networks import DOMAINS, UNIT, Discriminator, initialise
from unit_edge.train.steady import moved, random_motion, unsteadiness


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
        self.pairs = PairLoss(config.guide, self.projection.features if self.projection else None)

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
    returned: list[Tensor] = field(default_factory=list)
    """With a guide, what its rendering of X1's images becomes on the way back: G1(E2(guide(x1)))."""


class Generators(nn.Module):
    """E1, E2, G1, G2 as they are trained: from images to the streams."""

    def __init__(self, unit: UNIT, weights: LossConfig) -> None:
        super().__init__()
        self.unit = unit
        self.weights = weights

    def forward(
        self,
        images: list[Tensor],
        draw: Draw,
        translations_only: bool = False,
        weights: LossConfig | None = None,
    ) -> Streams:
        """Encodes both domains, samples z once, and decodes each code into the domains that are asked for.

        Args:
            images: of X1 and of X2 and, with a guide, its rendering of X1's images.
            draw: of this step.
            translations_only: leave out what D does not see.
            weights: of this step, if they are not the run's.
        """
        unit, weights = self.unit, weights or self.weights
        if not unit.config.encoders:
            return self._imagine(images[0], draw)
        guided = [] if translations_only else images[2:]
        reconstructs = weights.reconstruction > 0 and not translations_only
        translates = max(weights.gan, weights.critic, weights.cycle, weights.cycle_kl, len(images) - 2) > 0
        count, of_domain2 = len(images[0]), torch.cat([images[1], *guided])
        means = unit.encode(images[0], of_domain2)
        codes = [draw.sample(mean[:count]) for mean in means] if unit.config.variational else means
        codes += [mean[count:] for mean in means[1:] if guided]
        hidden = torch.split(unit.lift(torch.cat(codes)), count)
        reconstructions: list[Tensor] = []
        translations: list[Tensor] = []
        returned: list[Tensor] = []
        for domain in DOMAINS:
            wanted = [hidden[domain]] * reconstructs + [hidden[1 - domain]] * translates
            wanted += hidden[2:] if domain == 0 else ()
            decoded = unit.render(torch.cat(wanted), domain).chunk(len(wanted)) if wanted else ()
            reconstructions += decoded[:reconstructs]
            translations += decoded[reconstructs : reconstructs + translates]
            returned += decoded[reconstructs + translates :]
        return Streams([mean[:count] for mean in means], reconstructions, translations, returned)

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
    guide_weight: float = 0.0,
    head: GuidedHead | None = None,
) -> dict[str, Tensor]:
    """The weighted terms that E1, E2, G1, G2 minimise (equations 3-5); a weight of 0 costs nothing.

    Args:
        unit: E1, E2, G1, G2.
        adversaries: D1, D2, the critics and what measures the guide's pairs.
        images: of X1 and of X2 and, with a guide, its rendering of X1's images.
        streams: what `Generators` made of them.
        judged: translations as the adversaries see them, see `as_judged`.
        draw: of this step.
        weights: of this step.
        guide_weight: of the guide's terms at this step.
        head: through which `judged` was seen.
    """
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
        if weights.critic > 0 and adversaries.projection is not None:
            logits = adversaries.critics[domain](adversaries.projection(shift(judged[domain], draw)))
            terms[f"critic{name}"] = weights.critic * losses.hinge_generator(logits)
        if streams.returned:
            terms[f"guide{name}"] = guide_weight * adversaries.pairs(
                judged[2] if domain == 0 else judged[1],
                streams.returned[0] if domain == 0 else streams.translations[1],
                images[0] if domain == 0 else images[2],
            )
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
    if weights.steady > 0:
        motion = random_motion(draw)
        there = [moved(x, motion) for x in images[:2]]
        into2, into1 = (unit.decode(mean, 1 - d) for d, mean in enumerate(unit.encode(*there)))
        again = as_judged(there, Streams([], [], [into1, into2]), head)
        for domain in DOMAINS:
            loss = unsteadiness(judged[domain], again[domain], motion)
            terms[f"steady{domain + 1}"] = weights.steady * loss
    return terms


def as_judged(images: list[Tensor], streams: Streams, head: GuidedHead | None) -> list[Tensor]:
    """Translations as the adversaries see them: through the guided head, if there is one.

    Args:
        images: of X1 and of X2 and, with a guide, its rendering of X1's images.
        streams: what was made of them.
        head: of the run.

    Returns:
        Into X1, into X2 and, with a guide, of its rendering back into X1.
    """
    translations = [*streams.translations, *streams.returned]
    if head is None:
        return translations
    sources = [images[1], images[0], *images[2:]]
    return [head.at_small_size(x, y) for x, y in zip(sources, translations, strict=False)]


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
