"""The same training step as `Update` makes, computed in the order of the authors' released street code.

`make bench-train` times both. That code (github.com/mingyuliutw/UNIT, branch version_02) differs in this:

* D's side translates for itself, all four images of them and without detaching, so that the backward
  pass of D's loss runs through E and G too; those gradients are thrown away.
* E and G's side translates once more, and D's weights collect gradients there.
* The two cycles run one after the other, with the shared layers for each.
"""

from __future__ import annotations

import torch
from torch import Tensor

from unit_edge.train import losses
from unit_edge.train.draw import BatchPart, Draw
from unit_edge.train.loop import CYCLES, STREAMS
from unit_edge.train.networks import DOMAINS, UNIT
from unit_edge.train.state import TrainingState


def released_step(
    state: TrainingState, images: list[Tensor], step: int, *, detached: bool = False
) -> dict[str, float]:
    """One step of D1, D2 and one of E, G, with the random numbers of `state.update(images, step)`.

    It knows the paper's terms in fp32 alone: no feature discriminators, guided head, R1 penalty or
    micro-batches. The vectors of spectral norms rest on E and G's side, as in ours; with dropout the masks
    differ.

    Args:
        state: the networks and optimisers, which learn.
        images: of X1 and of X2, float[N,3,H,W] in [-1, 1].
        step: 0 or more.
        detached: translate for D without a graph, as the one difference from the released order.

    Returns:
        Every weighted term.
    """
    unit, weights = state.unit, state.config.loss
    discriminators = state.adversaries.discriminators
    of_g, of_d = state.optimisers

    of_d.zero_grad()
    with torch.set_grad_enabled(not detached):
        _, _, translations = _four_images(unit, images, _draw(state, step, STREAMS, len(images[0])))
    terms = {}
    for domain in DOMAINS:
        both = torch.cat([images[domain], translations[domain]])
        real, fake = zip(*(scale.chunk(2) for scale in discriminators[domain](both)), strict=True)
        loss = losses.gan_discriminator(real, fake, weights.gan_loss)
        terms[f"d{domain + 1}"] = weights.gan * loss
    report = _descend(terms, of_d)

    of_g.zero_grad()
    state.adversaries.eval()
    draw = _draw(state, step, STREAMS, len(images[0]))
    means, reconstructions, translations = _four_images(unit, images, draw)
    terms = {}
    for domain in DOMAINS:
        name = str(domain + 1)
        terms[f"kl{name}"] = weights.kl * losses.kl(means[domain])
        loss = losses.reconstruction(images[domain], reconstructions[domain])
        terms[f"reconstruction{name}"] = weights.reconstruction * loss
        logits = discriminators[domain](translations[domain])
        terms[f"gan{name}"] = weights.gan * losses.gan_generator(logits, weights.gan_loss)
    draw = _draw(state, step, CYCLES, len(images[0]))
    for domain in DOMAINS:
        name = str(2 - domain)
        mean = unit.encode_one(translations[domain], domain)
        terms[f"cycle_kl{name}"] = weights.cycle_kl * losses.kl(mean)
        cycled = unit.decode(draw.sample(mean), 1 - domain)
        terms[f"cycle{name}"] = weights.cycle * losses.reconstruction(images[1 - domain], cycled)
    report |= _descend(terms, of_g)
    state.adversaries.train()
    return report


def _four_images(
    unit: UNIT, images: list[Tensor], draw: Draw
) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Means of both codes, reconstructions of X1 and X2, translations into X1 and X2."""
    means = unit.encode(*images)
    hidden = unit.decode_shared(torch.cat([draw.sample(mean) for mean in means]))
    decoded = [unit.decode_private(hidden, domain).chunk(2) for domain in DOMAINS]
    return means, [decoded[0][0], decoded[1][1]], [decoded[0][1], decoded[1][0]]


def _draw(state: TrainingState, step: int, purpose: int, batch: int) -> Draw:
    key = state.config.optim.seed, step, purpose
    return Draw(key, BatchPart(batch, 0, batch), state.update.group.device)


def _descend(terms: dict[str, Tensor], optimiser: torch.optim.Optimizer) -> dict[str, float]:
    values = torch.stack(list(terms.values()))
    values.sum().backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    return dict(zip(terms, values.tolist(), strict=True))
