"""The warm start against the VAE of equation 3 written out."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tiny import CPU, LIVELY, pictures, settings, snapshot
from torch import Tensor

from unit_edge.config import LossConfig
from unit_edge.train.draw import BatchPart, Draw
from unit_edge.train.networks import UNIT
from unit_edge.train.warm_up import Autoencoder, copy_halves


def draws() -> list[Draw]:
    return [Draw((0, 0, domain), BatchPart(2, 0, 2), CPU) for domain in (0, 1)]


@pytest.mark.parametrize("variational", [True, False])
def test_it_is_one_vae_of_both_domains(variational: bool) -> None:
    loss = LossConfig() if variational else LossConfig(kl=0.0, cycle_kl=0.0)
    config = settings(replace(LIVELY, variational=variational), loss)
    torch.manual_seed(0)
    unit, images = UNIT(config.network), pictures(2)
    terms = Autoencoder(unit, config)(images, draws())
    kl, reconstruction = torch.zeros(()), torch.zeros(())
    for x, draw in zip(images, draws(), strict=True):
        mean = unit.encoder(0)(x)
        z = mean + draw.noise(tuple(mean.shape[1:])) if variational else mean
        kl = kl + 0.1 * mean.square().mean() / 2 / 2
        reconstruction = reconstruction + 100 * (unit.generator(0)(z) - x).abs().mean() / 2
    torch.testing.assert_close(terms["kl1"], kl if variational else torch.zeros(()))
    torch.testing.assert_close(terms["reconstruction1"], reconstruction)
    assert terms.keys() == {"kl1", "reconstruction1"}

    def gradients(total: Tensor) -> list[Tensor]:
        parts = [unit.encoders[0], unit.encoder_shared, unit.generator_shared, unit.generators[0]]
        return list(torch.autograd.grad(total, [p for part in parts for p in part.parameters()]))

    total = reconstruction + kl if variational else reconstruction
    for a, b in zip(gradients(torch.stack(list(terms.values())).sum()), gradients(total), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_it_learns_e1_and_g1_alone() -> None:
    unit = UNIT(LIVELY)
    own = {id(p) for module in (unit.encoder(0), unit.generator(0)) for p in module.parameters()}
    assert {id(p) for p in Autoencoder(unit, settings()).parameters()} == own


def test_both_halves_begin_alike() -> None:
    unit = UNIT(LIVELY)
    first = snapshot(unit.encoders[0]), snapshot(unit.generators[0])
    x = pictures(1)[0]
    assert not torch.equal(unit.generator(0)(unit.encoder(0)(x)), unit.generator(1)(unit.encoder(1)(x)))
    copy_halves(unit)
    assert torch.equal(unit.generator(0)(unit.encoder(0)(x)), unit.generator(1)(unit.encoder(1)(x)))
    for modules, before in zip((unit.encoders, unit.generators), first, strict=True):
        for module in modules:
            assert all(torch.equal(value, before[name]) for name, value in module.named_parameters())
        theirs = [{id(p) for p in module.parameters()} for module in modules]
        assert not theirs[0] & theirs[1]  # a copy, not the same layers
