"""The two sides of an adaptation's update: what D1, D2 and what E, G minimise."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from unit_edge.config.adapt import AdaptConfig
from unit_edge.train import losses
from unit_edge.train.adapt import losses as adapt_losses
from unit_edge.train.adapt.networks import Adaptation
from unit_edge.train.draw import Draw


@dataclass(frozen=True)
class DigitBatch:
    """Samples of a step.

    Attributes:
        source, target: images of X1 and X2, float[N,C,32,32] in [-1, 1].
        labels: of the source, int64[N].
        unchanged: the target's images before augmentation.
    """

    source: Tensor
    labels: Tensor
    target: Tensor
    unchanged: Tensor


@dataclass(frozen=True)
class Made:
    """What E and G make of a batch.

    Attributes:
        means: of q(z|x), of the source's images first.
        first, second: G1(z) and G2(z) of all codes, float[2N,C,32,32]: a pair an image of the batch.
    """

    means: Tensor
    first: Tensor
    second: Tensor

    def detached(self) -> Made:
        """The same as constants."""
        return Made(self.means.detach(), self.first.detach(), self.second.detach())


def make(nets: Adaptation, batch: DigitBatch, draw: Draw) -> Made:
    """Codes of both domains' images and the pairs of images that they stand for."""
    means = nets.unit.encode(batch.source, batch.target)
    return Made(means, *nets.unit.decode(draw.sample(means.float())))


def discriminator_terms(
    nets: Adaptation, batch: DigitBatch, made: Made | None, teacher: Tensor | None, config: AdaptConfig
) -> dict[str, Tensor]:
    """What D1 and D2 minimise.

    Args:
        nets: all networks.
        batch: the samples.
        made: what E and G made of them, as constants; None if E and G are not trained.
        teacher: the moving average's probabilities of the unchanged target; None before they are used.
        config: the settings.

    Returns:
        The weighted terms.
    """
    discriminator, weights, count = nets.discriminator, config.loss, len(batch.source)
    if made is None and teacher is None:
        logits = discriminator.classify(batch.source, 0)
        return {"class1": weights.classification * adapt_losses.classification(logits, batch.labels)}
    images = [[batch.source], [batch.target]]
    if made is not None:
        images[0].append(made.first)
        images[1].append(made.second)
    features = discriminator.features({domain: torch.cat(own) for domain, own in enumerate(images)})
    real, classes = discriminator.heads(features)
    # in either domain: the batch's own images, those made of the source's codes, those of the target's
    real1, real2 = (torch.split(part, count) for part in real.chunk(2))
    class1, class2 = (torch.split(part, count) for part in classes.chunk(2))
    terms = {"class1": weights.classification * adapt_losses.classification(class1[0], batch.labels)}
    if made is not None:
        for domain, (own, translated) in enumerate(((real1[0], real1[2]), (real2[0], real2[1]))):
            terms[f"gan{domain + 1}_d"] = weights.gan * losses.gan_discriminator([own], [translated], "bce")
    if made is not None and weights.features:
        if discriminator.noisy_inside:
            features1, features2 = discriminator.features(
                {0: made.first, 1: made.second}, dropout=False
            ).chunk(2)
        else:
            features1, features2 = (half[count:] for half in features.chunk(2))
        terms["features"] = weights.features * adapt_losses.feature_distance(features1, features2)
    if made is not None and weights.translated:
        terms["translated"] = weights.translated * adapt_losses.classification(class2[1], batch.labels)
    if teacher is not None:
        term = adapt_losses.consistency(class2[0], teacher, weights.confidence)
        terms["consistency"] = weights.consistency * term
    return terms


def generator_terms(
    nets: Adaptation, batch: DigitBatch, made: Made, config: AdaptConfig
) -> dict[str, Tensor]:
    """What E1, E2, G1, G2 minimise: the VAE and GAN terms of equations 3 and 4, without cycles.

    With `loss.translated`, also that D2 takes translations of the source for what they were made from.
    """
    weights, count = config.loss, len(batch.source)
    means1, means2 = torch.split(made.means, count)
    back1, to1 = torch.split(made.first, count)
    to2, back2 = torch.split(made.second, count)
    real, classes = nets.discriminator.heads(nets.discriminator.features({0: to1, 1: to2}))
    real1, real2 = torch.split(real, count)
    terms = {
        "kl1": weights.kl * losses.kl(means1),
        "kl2": weights.kl * losses.kl(means2),
        "reconstruction1": weights.reconstruction * losses.reconstruction(batch.source, back1),
        "reconstruction2": weights.reconstruction * losses.reconstruction(batch.target, back2),
        "gan1": weights.gan * losses.gan_generator([real1], "bce"),
        "gan2": weights.gan * losses.gan_generator([real2], "bce"),
    }
    if weights.translated:
        term = adapt_losses.classification(classes[count:], batch.labels)
        terms["translated_g"] = weights.translated * term
    return terms


def autoencoder_terms(
    nets: Adaptation, batch: DigitBatch, draw: Draw, config: AdaptConfig
) -> dict[str, Tensor]:
    """What E1 and G1 minimise in the warm-up: the VAE of equation 3, of both domains' images."""
    x = torch.cat([batch.source, batch.target])
    means = nets.unit.encoder_shared(nets.unit.encoders[0](nets.unit.placed(x)))
    back = nets.unit.generators[0](nets.unit.generator_shared(draw.sample(means.float())))
    return {
        "kl1": config.loss.kl * losses.kl(means),
        "reconstruction1": config.loss.reconstruction * losses.reconstruction(x, back),
    }
