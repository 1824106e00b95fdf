"""The alternating update: who learns from what."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from tiny import TINY
from torch import Tensor, nn

from unit_edge.config import Detail, DomainConfig, LossConfig, RunConfig
from unit_edge.train import step
from unit_edge.train.guided import GuidedHead
from unit_edge.train.networks import UNIT

WEIGHTS = LossConfig()


@pytest.fixture
def models() -> tuple[UNIT, step.Adversaries, list[Tensor]]:
    torch.manual_seed(0)
    domains = DomainConfig(name="a", paths=("a",)), DomainConfig(name="b", paths=("b",))
    config = RunConfig(*domains, network=replace(TINY, init="kaiming-half"))
    images = [torch.rand(2, 3, 32, 32) * 2 - 1 for _ in range(2)]
    return UNIT(config.network), step.Adversaries(config), images


def snapshot(module: nn.Module) -> list[Tensor]:
    return [p.detach().clone() for p in module.parameters()]


def changed(module: nn.Module, before: list[Tensor]) -> list[bool]:
    return [not torch.equal(p, old) for p, old in zip(module.parameters(), before, strict=True)]


def optimiser(module: nn.Module, lr: float = 1e-3) -> torch.optim.Adam:
    return torch.optim.Adam(module.parameters(), lr, (0.5, 0.999))


def test_terms_are_the_six_streams_of_the_paper(
    models: tuple[UNIT, step.Adversaries, list[Tensor]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sum of equations 3-8 from separate passes through whole networks, with z = mu."""
    unit, adversaries, (x1, x2) = models
    monkeypatch.setattr(step, "sample", lambda mean: mean)
    terms = step.generator_loss(
        unit,
        adversaries,
        [x1, x2],
        streams := step.run_streams(unit, [x1, x2]),
        streams.translations,
        WEIGHTS,
    )
    e1, e2, g1, g2 = unit.encoder(0), unit.encoder(1), unit.generator(0), unit.generator(1)
    d1, d2 = adversaries.discriminators
    x21, x12 = g1(e2(x2)), g2(e1(x1))

    def fooled(discriminator: nn.Module, fake: Tensor) -> Tensor:
        return -torch.log(torch.sigmoid(discriminator(fake)[0])).mean()

    expected = (
        100 * (x1 - g1(e1(x1))).abs().mean()
        + 100 * (x2 - g2(e2(x2))).abs().mean()
        + 0.1 * 0.5 * ((e1(x1) ** 2).mean() + (e2(x2) ** 2).mean())
        + 10 * (fooled(d1, x21) + fooled(d2, x12))
        + 100 * (x1 - g1(e2(x12))).abs().mean()
        + 100 * (x2 - g2(e1(x21))).abs().mean()
        + 0.1 * 0.5 * ((e2(x12) ** 2).mean() + (e1(x21) ** 2).mean())
    )
    torch.testing.assert_close(torch.stack(list(terms.values())).sum(), expected)


def test_discriminators_learn_alone(models: tuple[UNIT, step.Adversaries, list[Tensor]]) -> None:
    unit, adversaries, images = models
    before_g, before_d = snapshot(unit), snapshot(adversaries)
    step.update(unit, adversaries, optimiser(unit, 0.0), optimiser(adversaries), images, WEIGHTS)
    assert not any(changed(unit, before_g))
    assert all(changed(adversaries, before_d))


def test_generators_learn_alone(models: tuple[UNIT, step.Adversaries, list[Tensor]]) -> None:
    unit, adversaries, images = models
    before_g, before_d = snapshot(unit), snapshot(adversaries)
    step.update(unit, adversaries, optimiser(unit), optimiser(adversaries, 0.0), images, WEIGHTS)
    assert all(changed(unit, before_g))
    assert not any(changed(adversaries, before_d))


def test_no_gradient_of_the_discriminators_step_reaches_the_generators(
    models: tuple[UNIT, step.Adversaries, list[Tensor]],
) -> None:
    unit, adversaries, images = models
    streams = step.run_streams(unit, images)
    terms = step.discriminator_loss(adversaries, images, streams.translations, WEIGHTS)
    torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is None for p in unit.parameters())


def test_translations_are_computed_once(models: tuple[UNIT, step.Adversaries, list[Tensor]]) -> None:
    unit, adversaries, images = models
    decoded = {0: 0, 1: 0}
    for domain in decoded:

        def count(_: object, inputs: tuple[Tensor], __: Tensor, domain: int = domain) -> None:
            decoded[domain] += len(inputs[0])

        unit.generators[domain].register_forward_hook(count)
    step.update(unit, adversaries, optimiser(unit), optimiser(adversaries), images, WEIGHTS)
    # reconstruction, translation and cycle of two images each, in both domains
    assert decoded == {0: 6, 1: 6}


@pytest.mark.parametrize(
    ("off", "absent"),
    [
        ({"kl": 0.0}, {"kl1", "kl2"}),
        ({"reconstruction": 0.0}, {"reconstruction1", "reconstruction2"}),
        ({"cycle": 0.0}, {"cycle1", "cycle2"}),
        ({"cycle_kl": 0.0}, {"cycle_kl1", "cycle_kl2"}),
        ({"gan": 0.0}, {"gan1", "gan2", "d1", "d2"}),
    ],
)
def test_a_weight_of_zero_removes_its_term(
    models: tuple[UNIT, step.Adversaries, list[Tensor]], off: dict[str, float], absent: set[str]
) -> None:
    unit, adversaries, images = models
    everything = step.update(
        copy.deepcopy(unit), adversaries, optimiser(unit), optimiser(adversaries, 0.0), images, WEIGHTS
    )
    weights = replace(WEIGHTS, **off)  # type: ignore[arg-type]
    terms = step.update(unit, adversaries, optimiser(unit), optimiser(adversaries), images, weights)
    assert set(everything) - set(terms) == absent


def test_without_cycles_translations_are_not_encoded(
    models: tuple[UNIT, step.Adversaries, list[Tensor]],
) -> None:
    unit, adversaries, images = models
    encoded = []
    unit.encoders[0].register_forward_hook(lambda *_: encoded.append(1))
    weights = replace(WEIGHTS, cycle=0.0, cycle_kl=0.0)
    step.update(unit, adversaries, optimiser(unit), optimiser(adversaries), images, weights)
    assert len(encoded) == 1


def test_adversaries_can_look_through_the_head(
    models: tuple[UNIT, step.Adversaries, list[Tensor]],
) -> None:
    unit, adversaries, images = models
    seen: list[Tensor] = []
    adversaries.discriminators[1].register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    head = GuidedHead(Detail(radius=2))
    torch.manual_seed(1)
    step.update(unit, adversaries, optimiser(unit, 0.0), optimiser(adversaries), images, WEIGHTS, head)
    torch.manual_seed(1)
    translated = step.run_streams(unit, images).translations[1]
    _, in_d_step, in_g_step = seen  # the first is the real image
    torch.testing.assert_close(in_d_step, head.at_small_size(images[0], translated))
    torch.testing.assert_close(in_g_step, in_d_step)
    assert not torch.allclose(in_d_step, translated)
