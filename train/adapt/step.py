"""One alternating update of domain adaptation: D1, D2 with E, G fixed, then E, G with D1, D2 fixed."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from unit_edge.config.adapt import CLASSES, AdaptConfig
from unit_edge.train import losses
from unit_edge.train.adapt import losses as adapt_losses
from unit_edge.train.adapt.networks import Adaptation
from unit_edge.train.draw import Draw, Part, mix
from unit_edge.train.grad_mode import eval_mode, no_parameter_grad
from unit_edge.train.group import Group
from unit_edge.train.optim.descent import Descent, skipped_in_a_row

SHARES_STEP = 0.01
"""Of the running mean of the moving average's probabilities."""
CODES, DROPOUT = 0, 1
"""What a step draws random numbers for, beside those of train/adapt/digit_batches.py."""


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


class AdaptUpdate:
    """Makes alternating updates, one a call.

    Attributes:
        faults: what was not finite in the newest step; the update concerned was skipped.
        skipped: steps in a row with a fault.
        shares: running mean of what the moving average says of the target's images, float[10].
    """

    def __init__(
        self,
        config: AdaptConfig,
        nets: Adaptation,
        ema: Adaptation,
        optimisers: list[torch.optim.Optimizer],
        device: torch.device,
    ) -> None:
        """Stores what a step needs.

        Args:
            config: the settings.
            nets: all networks, which learn.
            ema: their moving average, which teaches; `nets` itself if there is none.
            optimisers: of D1, D2 and, if they are trained, of E and G.
            device: that all of this is on.
        """
        self.config, self.nets, self.ema = config, nets, ema
        self.device = device
        sides = (("D", nets.discriminator), ("E, G", nets.unit))
        self.descents = [
            Descent(side, module, optimiser, Group(device))
            for (side, module), optimiser in zip(sides, optimisers, strict=False)
        ]
        self.faults: list[str] = []
        self.skipped = 0
        self.shares = torch.full((CLASSES,), 1 / CLASSES, device=device)

    def __call__(self, batch: DigitBatch, step: int) -> dict[str, float]:
        """Makes a step; returns every weighted term.

        Raises:
            TrainingError: too many steps in a row had a term that was not finite.
        """
        self.faults.clear()
        torch.manual_seed(mix(self.config.optim.seed, step, DROPOUT))
        estimates = [buffer.clone() for buffer in self.nets.buffers()]
        terms = self._step(batch, step)
        if self.faults:  # which BatchNorm would remember
            for buffer, good in zip(self.nets.buffers(), estimates, strict=True):
                buffer.copy_(good)
        most = self.config.optim.max_skipped
        self.skipped = skipped_in_a_row(self.skipped, self.faults, step, most)
        return terms

    def _step(self, batch: DigitBatch, step: int) -> dict[str, float]:
        seed = self.config.optim.seed
        made = None
        draw = Draw((seed, step, CODES), Part(2 * len(batch.source), 0, 2 * len(batch.source)), self.device)
        if self.config.loss.adapts and step < self.config.optim.warmup_steps:
            return self._warm_up(batch, draw)
        if self.config.loss.adapts:
            with self._autocast():
                made = make(self.nets, batch, draw)
        with self._autocast():
            of_d = self._discriminator_terms(batch, made.detached() if made else None, step)
        terms = self._descend(0, of_d)
        if made is not None:
            with no_parameter_grad(self.nets.discriminator):
                with self._autocast():
                    of_g = generator_terms(self.nets, batch, made, self.config)
                terms |= self._descend(1, of_g)
        return terms

    def _warm_up(self, batch: DigitBatch, draw: Draw) -> dict[str, float]:
        """Both domains' images through E1, G1 and the source's through D1; the others' halves follow them.

        Translation then starts as the identity, and D2 as D1.
        """
        with self._autocast():
            of_d = discriminator_terms(self.nets, batch, None, None, self.config)
            of_g = autoencoder_terms(self.nets, batch, draw, self.config)
        terms = self._descend(0, of_d)
        terms |= self._descend(1, of_g)
        self.nets.copy_estimates()
        return terms

    def _discriminator_terms(self, batch: DigitBatch, made: Made | None, step: int) -> dict[str, Tensor]:
        teacher = None
        loss = self.config.loss
        if loss.consistency and step >= loss.consistency_from * self.config.optim.steps:
            teacher = self._teach(batch.unchanged)
        return discriminator_terms(self.nets, batch, made, teacher, self.config)

    @torch.no_grad()
    def _teach(self, images: Tensor) -> Tensor:
        """The moving average's probabilities of the target's images, float[N,10]."""
        discriminator = self.ema.discriminator
        with eval_mode(discriminator):
            probabilities = torch.softmax(discriminator.classify(images, 1).float(), 1)
        if not self.config.loss.balance:
            return probabilities
        mean = probabilities.mean(0)
        if mean.isfinite().all():
            self.shares = torch.lerp(self.shares, mean, SHARES_STEP)
        return adapt_losses.balanced(probabilities, self.shares)

    def _descend(self, side: int, terms: dict[str, Tensor]) -> dict[str, float]:
        descent = self.descents[side]
        descent.begin()
        descent.backward(terms)
        for one, other in self.nets.halves():
            for mine, theirs in zip(one.parameters(), other.parameters(), strict=True):
                if theirs.grad is None:  # in the warm-up, which starts with equal halves
                    theirs.grad = mine.grad
        values = descent.finish()
        self.faults += descent.faults
        return values

    def _autocast(self) -> AbstractContextManager[None]:
        if self.config.speed.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)


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
