"""The two sides of an alternating update (section 3 of the paper): what D1, D2 and what E, G minimise."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from unit_edge.config import LossConfig
from unit_edge.train import losses
from unit_edge.train.discriminators.adversaries import Adversaries
from unit_edge.train.discriminators.feature_discriminator import shift
from unit_edge.train.draw import Draw
from unit_edge.train.guided import GuidedHead
from unit_edge.train.losses import moved, random_motion, unsteadiness
from unit_edge.train.networks import DOMAINS, UNIT


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
            images: of X1 and of X2 and, with a guide, its rendering of X1's images; if E2 is shown another
                picture of that, that one comes next, and last how much of each pixel drops cover of it.
            draw: of this step.
            translations_only: leave out what D does not see.
            weights: of this step, if they are not the run's.
        """
        unit, weights = self.unit, weights or self.weights
        if not unit.config.encoders:
            return self._imagine(images[0], draw)
        guided = [] if translations_only else shown(images)
        reconstructs = weights.reconstruction > 0 and not translations_only
        translates = (
            max(weights.gan, weights.feature_gan, weights.cycle, weights.cycle_kl, len(images) - 2) > 0
        )
        count, of_domain2 = len(images[0]), torch.cat([images[1], *guided])
        means = unit.encode(images[0], of_domain2)
        codes = [draw.sample(mean[:count]) for mean in means] if unit.config.variational else means
        codes += [mean[count:] for mean in means[1:] if guided]
        hidden = torch.split(unit.decode_shared(torch.cat(codes)), count)
        reconstructions: list[Tensor] = []
        translations: list[Tensor] = []
        returned: list[Tensor] = []
        for domain in DOMAINS:
            wanted = [hidden[domain]] * reconstructs + [hidden[1 - domain]] * translates
            wanted += hidden[2:] if domain == 0 else ()
            decoded = unit.decode_private(torch.cat(wanted), domain).chunk(len(wanted)) if wanted else ()
            reconstructions += decoded[:reconstructs]
            translations += decoded[reconstructs : reconstructs + translates]
            returned += decoded[reconstructs + translates :]
        return Streams(
            means=[mean[:count] for mean in means],
            reconstructions=reconstructions,
            translations=translations,
            returned=returned,
        )

    def _imagine(self, like: Tensor, draw: Draw) -> Streams:
        """CoGAN: both domains' image of one code, which nobody encoded."""
        height, width = like.shape[2] // 4, like.shape[3] // 4
        hidden = self.unit.decode_shared(draw.noise((self.unit.config.residual_width, height, width)))
        return Streams([], [], [self.unit.decode_private(hidden, domain) for domain in DOMAINS])


def generator_terms(
    unit: UNIT,
    adversaries: Adversaries,
    images: list[Tensor],
    streams: Streams,
    d_inputs: list[Tensor],
    draw: Draw,
    weights: LossConfig,
    guide_weights: tuple[float, float] = (0.0, 0.0),
    head: GuidedHead | None = None,
    alone: Collection[int] = (),
) -> dict[str, Tensor]:
    """The weighted terms that E1, E2, G1, G2 minimise (equations 3-5); a weight of 0 costs nothing.

    Args:
        unit: E1, E2, G1, G2.
        adversaries: D1, D2, the feature discriminators and what measures the guide's pairs.
        images: as `Generators` has them.
        streams: what `Generators` made of them.
        d_inputs: translations as the adversaries see them, see `discriminator_inputs`.
        draw: of this step.
        weights: of this step.
        guide_weights: of the guide's terms into domain 1 and 2 at this step.
        head: through which `d_inputs` was seen.
        alone: the domains, 0 or 1, the translations into which have no adversarial terms at this step.
    """
    terms: dict[str, Tensor] = {}
    for domain in DOMAINS:
        name = str(domain + 1)
        if weights.kl > 0:
            terms[f"kl{name}"] = weights.kl * losses.kl(streams.means[domain])
        if weights.reconstruction > 0:
            loss = losses.reconstruction(images[domain], streams.reconstructions[domain])
            terms[f"reconstruction{name}"] = weights.reconstruction * loss
        if weights.gan > 0 and domain not in alone:
            logits = adversaries.discriminators[domain](d_inputs[domain])
            terms[f"gan{name}"] = weights.gan * losses.gan_generator(logits, weights.gan_loss)
        if weights.feature_gan > 0 and adversaries.projection is not None and domain not in alone:
            logits = adversaries.feature_discriminators[domain](
                adversaries.projection(shift(adversaries.seen(d_inputs[domain], domain), draw))
            )
            terms[f"feature_gan{name}"] = weights.feature_gan * losses.hinge_generator(logits)
        if streams.returned:
            if domain == 0:
                cover = images[4] if len(images) > 4 else None
                distance = adversaries.pairs(d_inputs[2], streams.returned[0], images[0], cover=cover)
            else:
                distance = adversaries.pairs(d_inputs[1], streams.translations[1], images[2], lights=True)
            terms[f"guide{name}"] = guide_weights[domain] * distance
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
            hidden = torch.split(unit.decode_shared(torch.cat(codes)), [len(x) for x in streams.translations])
            for domain in DOMAINS:
                cycled = unit.decode_private(hidden[1 - domain], domain)
                terms[f"cycle{domain + 1}"] = weights.cycle * losses.reconstruction(images[domain], cycled)
    if weights.steady > 0:
        motion = random_motion(draw)
        there = [moved(x, motion) for x in images[:2]]
        into2, into1 = (unit.decode(mean, 1 - d) for d, mean in enumerate(unit.encode(*there)))
        again = discriminator_inputs(there, Streams([], [], [into1, into2]), head)
        for domain in DOMAINS:
            loss = unsteadiness(d_inputs[domain], again[domain], motion)
            terms[f"steady{domain + 1}"] = weights.steady * loss
    return terms


def shown(images: list[Tensor]) -> list[Tensor]:
    """What E2 is shown of the guide's rendering, if there is one: images[3], else images[2] itself."""
    return images[2:4][-1:]


def discriminator_inputs(images: list[Tensor], streams: Streams, head: GuidedHead | None) -> list[Tensor]:
    """Translations as the adversaries see them: through the guided head, if there is one.

    Args:
        images: as `Generators` has them.
        streams: what was made of them.
        head: of the run.

    Returns:
        Into X1, into X2 and, with a guide, of its rendering back into X1.
    """
    translations = [*streams.translations, *streams.returned]
    if head is None:
        return translations
    sources = [images[1], images[0], *shown(images)]
    return [head.at_small_size(x, y) for x, y in zip(sources, translations, strict=False)]


def weights_at(loss: LossConfig, step: int, alone: Collection[int] = ()) -> LossConfig:
    """The weights of one step: adversaries may come later, and the VAE's terms not in every step.

    Args:
        loss: as they are set.
        step: 0 or more.
        alone: as `generator_terms` has it; with any there are no cycle terms, with both no discriminators.
    """
    changes: dict[str, float] = {}
    if step < loss.adversaries_from:
        changes |= {"gan": 0.0, "feature_gan": 0.0, "r1": 0.0}
    if loss.vae_every > 1:
        times = loss.vae_every if step % loss.vae_every == 0 else 0
        changes |= {
            name: times * getattr(loss, name)
            for name in ("kl", "reconstruction", "cycle_kl", "cycle", "steady")
        }
    if alone:
        changes |= {"cycle": 0.0, "cycle_kl": 0.0}
    if len(alone) == len(DOMAINS):
        changes |= {"gan": 0.0, "feature_gan": 0.0, "r1": 0.0}
    return dataclasses.replace(loss, **changes) if changes else loss  # type: ignore[arg-type]
