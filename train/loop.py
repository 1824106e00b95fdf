"""What a training step does: D1, D2 with E, G fixed, then E, G with D1, D2 fixed (section 3 of the paper).

The terms of both sides are in step.py; fit.py starts a run, and run/steps.py makes step after step.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from unit_edge.config import RunConfig
from unit_edge.train.discriminators.adversaries import Adversaries
from unit_edge.train.draw import BatchPart, Draw, mix
from unit_edge.train.grad_mode import no_parameter_grad
from unit_edge.train.group import Group, no_sync
from unit_edge.train.guided import GuidedHead
from unit_edge.train.guides.shown import shown_to_e2
from unit_edge.train.networks import UNIT
from unit_edge.train.optim.descent import Descent, Outcome
from unit_edge.train.step import Generators, Streams, discriminator_inputs, generator_terms, weights_at

HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}
STREAMS, DISCRIMINATION, CYCLES, SHOWN = range(4)
"""What a step draws random numbers for."""
FIRST_SCALE = 2.0**14
"""Of fp16's losses; it halves whenever a gradient overflows."""


class Update:
    """Makes steps. What E and G translate is computed once and used on both sides of a step.

    Attributes:
        scaler: of fp16's losses; of another precision it does nothing.
        faults: what was not finite in the newest step; the update concerned was skipped.
        unseen: whether that is decided where the gradients are, without waiting for it. The optimisers must
            be fused ones then, terms and faults are empty, and `outcomes` has them.
        outcomes: of the newest step's sides, if it is unseen.
    """

    def __init__(
        self,
        config: RunConfig,
        unit: UNIT,
        adversaries: Adversaries,
        optimisers: Sequence[torch.optim.Optimizer],
        group: Group,
        head: GuidedHead | None = None,
    ) -> None:
        """Stores what a step needs.

        Args:
            config: the run's settings.
            unit: E1, E2, G1, G2.
            adversaries: D1, D2 and the feature discriminators.
            optimisers: of the former, and of the latter if they have parameters.
            group: the processes that share each batch.
            head: through which the adversaries see translations; None for the translations themselves.
        """
        self.config, self.group, self.head = config, group, head
        self.unit, self.adversaries = unit, adversaries
        self.weights = config.loss
        self.generators = group.wrap(Generators(unit, config.loss))
        self.discriminators = group.wrap(adversaries) if len(optimisers) > 1 else None
        precision = config.speed.precision
        self.scaler = torch.amp.GradScaler(
            group.device.type, init_scale=FIRST_SCALE, enabled=precision == "fp16"
        )
        sides = (("E, G", unit), ("D", adversaries))
        cuts = config.speed.accumulate
        self.descents = [
            Descent(side, module, optimiser, group, self.scaler, cuts)
            for (side, module), optimiser in zip(sides, optimisers, strict=False)
        ]
        self.faults: list[str] = []
        self.unseen = False
        self.outcomes: list[Outcome] = []

    def __call__(self, images: list[Tensor], step: int) -> dict[str, float]:
        """One step of D1, D2 and one of E, G on the same images.

        Args:
            images: this process's share of X1's and of X2's images of the step and, with a guide, of its
                rendering of X1's.
            step: 0 or more; with the seed, it decides the random numbers.

        Returns:
            Every weighted term, a mean over micro-batches and processes; none of a step that is unseen.
        """
        cuts = self.config.speed.accumulate
        micro = list(zip(*(x.chunk(cuts) for x in images), strict=True))
        guide = self.config.guide
        if guide.stray_lights or guide.drops or guide.cast:
            draws = (self._draw(step, index, SHOWN) for index in range(cuts))
            micro = [(*x, *shown_to_e2(x[2], guide, draw)) for x, draw in zip(micro, draws, strict=True)]
        self.faults.clear()
        self.outcomes = []
        self.weights = weights_at(self.config.loss, step, self._alone_at(step))
        torch.manual_seed(mix(self.config.optim.seed, step, self.group.rank))  # for dropout
        streams: list[Streams | None] = [None] * cuts
        terms: dict[str, float] = {}
        if cuts == 1:
            streams[0] = self._translate(micro[0], step, 0)
        if self.discriminators is not None and max(self.weights.gan, self.weights.feature_gan) > 0:
            terms |= self._descend_d(micro, streams, step)
        with no_parameter_grad(self.adversaries):
            terms |= self._descend_g(micro, streams, step)
        return terms

    def _descend_d(
        self, micro: list[tuple[Tensor, ...]], streams: list[Streams | None], step: int
    ) -> dict[str, float]:
        assert self.discriminators is not None
        descent = self.descents[1]
        descent.begin()
        for index, images in enumerate(micro):
            made = streams[index]
            if made is None:
                with torch.no_grad():
                    made = self._translate(images, step, index, for_d=True)
            d_inputs = self._d_inputs(images, made)
            # the vectors of spectral norms move once a step, however it is cut
            self.adversaries.train(index == 0)
            draw = self._draw(step, index, DISCRIMINATION)
            with no_sync(self.discriminators, index + 1 < len(micro)):
                with self._autocast():
                    terms = self.discriminators(list(images[:2]), d_inputs[:2], draw)
                descent.backward(terms)
        self.adversaries.train()
        return self._finish(descent)

    def _descend_g(
        self, micro: list[tuple[Tensor, ...]], streams: list[Streams | None], step: int
    ) -> dict[str, float]:
        descent = self.descents[0]
        descent.begin()
        for index, images in enumerate(micro):
            with no_sync(self.generators, index + 1 < len(micro)):
                made = streams[index] or self._translate(images, step, index)
                d_inputs = self._d_inputs(images, made)
                draw = self._draw(step, index, CYCLES)
                with self._autocast():
                    terms = generator_terms(
                        self.unit,
                        self.adversaries,
                        list(images),
                        made,
                        d_inputs,
                        draw,
                        self.weights,
                        self.config.guide.weights_at(step, self.config.optim.steps),
                        self.head,
                        self._alone_at(step),
                    )
                descent.backward(terms)
        return self._finish(descent)

    def _translate(self, images: tuple[Tensor, ...], step: int, index: int, for_d: bool = False) -> Streams:
        with self._autocast():
            draw = self._draw(step, index, STREAMS)
            streams: Streams = self.generators(list(images), draw, for_d, self.weights)
        return streams

    def _d_inputs(self, images: tuple[Tensor, ...], streams: Streams) -> list[Tensor]:
        return discriminator_inputs(list(images), streams, self.head)

    def _finish(self, descent: Descent) -> dict[str, float]:
        if self.unseen:
            self.outcomes.append(descent.finish_unseen())
            return {}
        terms = descent.finish()
        self.faults += descent.faults
        return terms

    def _alone_at(self, step: int) -> tuple[int, ...]:
        return self.config.guide.alone_at(step, self.config.optim.steps)

    def _draw(self, step: int, index: int, purpose: int) -> Draw:
        """The random numbers of a micro-batch."""
        optim, cuts = self.config.optim, self.config.speed.accumulate
        count = optim.batch // self.group.size // cuts
        part = BatchPart(optim.batch, (self.group.rank * cuts + index) * count, count)
        return Draw((optim.seed, step, purpose), part, self.group.device)

    def _autocast(self) -> AbstractContextManager[None]:
        precision = self.config.speed.precision
        if precision == "fp32":
            return nullcontext()
        return torch.autocast(self.group.device.type, HALF[precision])
