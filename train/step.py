"""One alternating update: D1, D2 with E, G fixed, then E, G with D1, D2 fixed (section 3 of the paper)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unit_edge.config import LossConfig, RunConfig
from unit_edge.train import losses
from unit_edge.train.critic import Critic, Projection, shift
from unit_edge.train.features import Features
from unit_edge.train.guided import GuidedHead
from unit_edge.train.networks import DOMAINS, UNIT, Discriminator, initialise, sample


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
        self.discriminators = nn.ModuleList(Discriminator(network) for _ in DOMAINS)
        initialise(self.discriminators, network.init)
        uses_critic = network.critic != "none" and config.loss.critic > 0
        self.critics = nn.ModuleList(Critic() for _ in DOMAINS if uses_critic)
        self.projection = Projection(Features(network.critic)) if uses_critic else None


@dataclass(frozen=True)
class Streams:
    """The four images that one pass of both VAEs gives, with the means of the codes they are from."""

    means: list[Tensor]
    """mu1 = E1(x1), mu2 = E2(x2)."""
    reconstructions: list[Tensor]
    """G1(z1), G2(z2)."""
    translations: list[Tensor]
    """Into X1 and into X2: G1(z2), G2(z1)."""


def run_streams(unit: UNIT, images: list[Tensor]) -> Streams:
    """Encodes both domains, samples z once, and decodes each code into both domains."""
    means = unit.encode(*images)
    codes = [sample(mean) for mean in means]
    hidden = unit.generator_shared(torch.cat(codes))
    halves = [len(x) for x in images]
    decoded = [generator(hidden).split(halves) for generator in unit.generators]
    return Streams(
        means=means,
        reconstructions=[decoded[0][0], decoded[1][1]],
        translations=[decoded[0][1], decoded[1][0]],
    )


def discriminator_loss(
    adversaries: Adversaries, images: list[Tensor], judged: list[Tensor], weights: LossConfig
) -> dict[str, Tensor]:
    """The weighted terms that D1, D2 minimise (equation 4).

    Args:
        adversaries: D1, D2 and the critics.
        images: real images of X1 and of X2.
        judged: translations into X1 and into X2 as the adversaries see them; no gradient flows into them.
        weights: λ0 and the form of the loss.
    """
    terms = {}
    for domain in DOMAINS:
        real, fake = images[domain], judged[domain].detach()
        if weights.gan > 0:
            discriminator = adversaries.discriminators[domain]
            loss = losses.gan_discriminator(discriminator(real), discriminator(fake), weights.gan_loss)
            terms[f"d{domain + 1}"] = weights.gan * loss
        if adversaries.projection is not None:
            critic = adversaries.critics[domain]
            with torch.no_grad():
                levels = adversaries.projection(shift(torch.cat([real, fake])))
            logits = [level.chunk(2) for level in critic(levels)]
            loss = losses.hinge_discriminator([r for r, _ in logits], [f for _, f in logits])
            terms[f"critic_d{domain + 1}"] = weights.critic * loss
    return terms


def generator_loss(
    unit: UNIT,
    adversaries: Adversaries,
    images: list[Tensor],
    streams: Streams,
    judged: list[Tensor],
    weights: LossConfig,
) -> dict[str, Tensor]:
    """The weighted terms that E1, E2, G1, G2 minimise (equations 3-5); a weight of 0 costs nothing."""
    terms: dict[str, Tensor] = {}
    for domain in DOMAINS:
        name, fake = str(domain + 1), judged[domain]
        if weights.kl > 0:
            terms[f"kl{name}"] = weights.kl * losses.kl(streams.means[domain])
        if weights.reconstruction > 0:
            loss = losses.reconstruction(images[domain], streams.reconstructions[domain])
            terms[f"reconstruction{name}"] = weights.reconstruction * loss
        if weights.gan > 0:
            logits = adversaries.discriminators[domain](fake)
            terms[f"gan{name}"] = weights.gan * losses.gan_generator(logits, weights.gan_loss)
        if adversaries.projection is not None:
            logits = adversaries.critics[domain](adversaries.projection(shift(fake)))
            terms[f"critic{name}"] = weights.critic * losses.hinge_generator(logits)
    if weights.cycle > 0 or weights.cycle_kl > 0:
        into1, into2 = unit.encode(*streams.translations)
        for domain, mean in ((1, into1), (0, into2)):
            name = str(domain + 1)
            if weights.cycle_kl > 0:
                terms[f"cycle_kl{name}"] = weights.cycle_kl * losses.kl(mean)
            if weights.cycle > 0:
                cycled = unit.decode(sample(mean), domain)
                terms[f"cycle{name}"] = weights.cycle * losses.reconstruction(images[domain], cycled)
    return terms


def update(
    unit: UNIT,
    adversaries: Adversaries,
    optimiser_g: torch.optim.Optimizer,
    optimiser_d: torch.optim.Optimizer,
    images: list[Tensor],
    weights: LossConfig,
    head: GuidedHead | None = None,
) -> dict[str, Tensor]:
    """One step of D1, D2 and one of E, G on the same images.

    E and G are the same before and after the step of D1, D2, so their translations are computed once
    and used in both.

    Args:
        unit: E1, E2, G1, G2.
        adversaries: D1, D2 and the critics.
        optimiser_g: of the former.
        optimiser_d: of the latter.
        images: of X1 and of X2.
        weights: of the terms.
        head: through which the adversaries see translations; None for the translations themselves.

    Returns:
        Every weighted term, detached.
    """
    streams = run_streams(unit, images)
    judged = streams.translations
    if head is not None:
        judged = [head.at_small_size(x, y) for x, y in zip(reversed(images), judged, strict=True)]
    d_terms = discriminator_loss(adversaries, images, judged, weights)
    if d_terms:
        _descend(optimiser_d, d_terms)
    with frozen(adversaries):
        g_terms = generator_loss(unit, adversaries, images, streams, judged, weights)
        _descend(optimiser_g, g_terms)
    return {name: value.detach() for name, value in (d_terms | g_terms).items()}


def warm_up(
    unit: UNIT, optimiser: torch.optim.Optimizer, images: list[Tensor], weights: LossConfig
) -> dict[str, Tensor]:
    """One step of E1 and G1 as a plain VAE on images of both domains (equation 3)."""
    x = torch.cat(images)
    mean = unit.encoder(0)(x)
    x_hat = unit.decode(sample(mean), 0)
    terms = {
        "kl1": weights.kl * losses.kl(mean),
        "reconstruction1": weights.reconstruction * losses.reconstruction(x, x_hat),
    }
    _descend(optimiser, terms)
    return {name: value.detach() for name, value in terms.items()}


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """No parameter of the module collects a gradient inside."""
    trainable = [parameter for parameter in module.parameters() if parameter.requires_grad]
    for parameter in trainable:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trainable:
            parameter.requires_grad_(True)


def _descend(optimiser: torch.optim.Optimizer, terms: dict[str, Tensor]) -> None:
    optimiser.zero_grad(set_to_none=True)
    torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
    optimiser.step()
