"""What a step of domain adaptation does: D1, D2 with E, G fixed, then E, G with D1, D2 fixed.

The terms of both sides are in step.py; fit.py starts a run, and run/steps.py makes step after step.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from unit_edge.config.adapt import CLASSES, AdaptConfig
from unit_edge.train.adapt import losses as adapt_losses
from unit_edge.train.adapt.networks import Adaptation
from unit_edge.train.adapt.step import (
    DigitBatch,
    Made,
    autoencoder_terms,
    discriminator_terms,
    generator_terms,
    make,
)
from unit_edge.train.draw import BatchPart, Draw, mix
from unit_edge.train.grad_mode import eval_mode, no_parameter_grad
from unit_edge.train.group import Group
from unit_edge.train.optim.descent import Descent, Outcome

SHARES_STEP = 0.01
"""Of the running mean of the moving average's probabilities."""
CODES, DROPOUT = 0, 1
"""What a step draws random numbers for, beside those of train/adapt/digit_batches.py."""


class AdaptUpdate:
    """Makes alternating updates, one a call.

    Attributes:
        faults: what was not finite in the newest step; the update concerned was skipped.
        outcomes: of steps that are unseen (see train/loop.py), which these never are.
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
        self.outcomes: list[Outcome] = []
        self.shares = torch.full((CLASSES,), 1 / CLASSES, device=device)

    def __call__(self, batch: DigitBatch, step: int) -> dict[str, float]:
        """Makes a step; returns every weighted term."""
        self.faults.clear()
        torch.manual_seed(mix(self.config.optim.seed, step, DROPOUT))
        estimates = [buffer.clone() for buffer in self.nets.buffers()]
        terms = self._step(batch, step)
        if self.faults:  # which BatchNorm would remember
            for buffer, good in zip(self.nets.buffers(), estimates, strict=True):
                buffer.copy_(good)
        return terms

    def _step(self, batch: DigitBatch, step: int) -> dict[str, float]:
        seed = self.config.optim.seed
        made = None
        draw = Draw(
            (seed, step, CODES), BatchPart(2 * len(batch.source), 0, 2 * len(batch.source)), self.device
        )
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
