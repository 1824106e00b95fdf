"""Equations 3-8 written out, each network called by itself, against the joint passes of step.py."""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unit_edge.config import Detail, LossConfig, RunConfig
from unit_edge.train import step
from unit_edge.train.guided import GuidedHead
from unit_edge.train.networks import UNIT
from unit_edge.train.step import Adversaries

PAPER = LossConfig()
SHIFT = 0.3
"""Stands for the noise, so that a code is not its mean."""


class Setup:
    """Networks with random weights, two images a domain and the optimisers, in double precision."""

    def __init__(self, config: RunConfig) -> None:
        torch.manual_seed(3)
        self.unit = UNIT(config.network).double()
        self.adversaries = Adversaries(config).double()
        for parameter in (*self.unit.parameters(), *self.adversaries.parameters()):
            nn.init.normal_(parameter, 0, 0.2)
        self.images = [torch.rand(2, 3, 16, 16).double() * 2 - 1 for _ in range(2)]
        self.optimiser_g = torch.optim.Adam(self.unit.parameters(), 1e-3, (0.5, 0.999))
        self.optimiser_d = torch.optim.Adam(self.adversaries.parameters(), 1e-3, (0.5, 0.999))

    def update(self, weights: LossConfig = PAPER, head: GuidedHead | None = None) -> dict[str, Tensor]:
        return step.update(
            self.unit, self.adversaries, self.optimiser_g, self.optimiser_d, self.images, weights, head
        )


@pytest.fixture
def setup(config: RunConfig) -> Setup:
    return Setup(replace(config, network=replace(config.network, scales=2, discriminator_kernel=1)))


@pytest.fixture
def no_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "sample", lambda mean: mean + SHIFT)


def snapshot(module: nn.Module) -> list[Tensor]:
    return [value.clone() for value in module.state_dict().values()]


def same(before: list[Tensor], module: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(before, module.state_dict().values(), strict=True))


def changed_everywhere(before: list[Tensor], module: nn.Module) -> bool:
    return not any(torch.equal(a, b) for a, b in zip(before, module.state_dict().values(), strict=True))


def bce(logits: list[Tensor], real: bool) -> Tensor:
    return sum((F.softplus(-x if real else x).mean() for x in logits), torch.zeros(()).double())


def by_hand(setup: Setup) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Terms of D and of E, G, unweighted, each network called for one image alone."""
    x1, x2 = setup.images
    e1, e2 = setup.unit.encoder(0), setup.unit.encoder(1)
    g1, g2 = setup.unit.generator(0), setup.unit.generator(1)
    d1, d2 = setup.adversaries.discriminators
    mu1, mu2 = e1(x1), e2(x2)
    z1, z2 = mu1 + SHIFT, mu2 + SHIFT
    x12, x21 = g2(z1), g1(z2)
    mu12, mu21 = e2(x12), e1(x21)
    d_terms = {"d1": bce(d1(x1), True) + bce(d1(x21), False), "d2": bce(d2(x2), True) + bce(d2(x12), False)}
    g_terms = {
        "kl1": mu1.square().mean() / 2,
        "kl2": mu2.square().mean() / 2,
        "reconstruction1": (g1(z1) - x1).abs().mean(),
        "reconstruction2": (g2(z2) - x2).abs().mean(),
        "gan1": bce(d1(x21), True),
        "gan2": bce(d2(x12), True),
        "cycle_kl1": mu12.square().mean() / 2,
        "cycle_kl2": mu21.square().mean() / 2,
        "cycle1": (g1(mu12 + SHIFT) - x1).abs().mean(),
        "cycle2": (g2(mu21 + SHIFT) - x2).abs().mean(),
    }
    return d_terms, g_terms


LAMBDA = {"kl": 0.1, "reconstruction": 100, "gan": 10, "cycle_kl": 0.1, "cycle": 100, "d": 10}


def weighted(terms: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: LAMBDA[name.rstrip("12")] * value for name, value in terms.items()}


def test_terms_are_the_equations(setup: Setup, no_noise: None) -> None:
    d_terms, g_terms = (weighted(terms) for terms in by_hand(setup))
    streams = step.run_streams(setup.unit, setup.images)
    d = step.discriminator_loss(setup.adversaries, setup.images, streams.translations, PAPER)
    g = step.generator_loss(setup.unit, setup.adversaries, setup.images, streams, streams.translations, PAPER)
    assert d.keys() == d_terms.keys()
    assert g.keys() == g_terms.keys()
    for name, value in (d | g).items():
        torch.testing.assert_close(value, (d_terms | g_terms)[name], msg=name)
    assert torch.stack(list(g.values())).sum().item() == pytest.approx(
        sum(v.item() for v in g_terms.values())
    )


def test_gradients_are_those_of_the_equations(setup: Setup, no_noise: None) -> None:
    parameters = list(setup.unit.parameters())
    total = torch.stack(list(weighted(by_hand(setup)[1]).values())).sum()
    expected = torch.autograd.grad(total, parameters)
    streams = step.run_streams(setup.unit, setup.images)
    terms = step.generator_loss(
        setup.unit, setup.adversaries, setup.images, streams, streams.translations, PAPER
    )
    gradients = torch.autograd.grad(torch.stack(list(terms.values())).sum(), parameters)
    for a, b in zip(gradients, expected, strict=True):
        torch.testing.assert_close(a, b)


def test_update_is_d_then_e_and_g(setup: Setup, no_noise: None) -> None:
    other = copy.deepcopy(setup)
    terms = setup.update()
    d_terms = weighted(by_hand(other)[0])
    other.optimiser_d = torch.optim.Adam(other.adversaries.parameters(), 1e-3, (0.5, 0.999))
    other.optimiser_g = torch.optim.Adam(other.unit.parameters(), 1e-3, (0.5, 0.999))
    torch.stack(list(d_terms.values())).sum().backward()
    other.optimiser_d.step()
    g_terms = weighted(by_hand(other)[1])  # computed afresh, against the new D
    other.optimiser_g.zero_grad()
    torch.stack(list(g_terms.values())).sum().backward()
    other.optimiser_g.step()
    for name, value in (d_terms | g_terms).items():
        torch.testing.assert_close(terms[name], value.detach(), msg=name)
    for module, expected in ((setup.unit, other.unit), (setup.adversaries, other.adversaries)):
        for a, b in zip(module.parameters(), expected.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-9)


def test_codes_are_sampled(setup: Setup) -> None:
    first, second = (step.run_streams(setup.unit, setup.images) for _ in range(2))
    assert torch.equal(first.means[0], second.means[0])
    for a, b in zip(first.reconstructions + first.translations, second.reconstructions, strict=False):
        assert not torch.equal(a, b)


def test_reconstruction_and_translation_share_one_code(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Tensor] = []

    def sample(mean: Tensor) -> Tensor:
        drawn.append(mean + torch.randn_like(mean))
        return drawn[-1]

    monkeypatch.setattr(step, "sample", sample)
    streams = step.run_streams(setup.unit, setup.images)
    assert len(drawn) == 2
    g1, g2 = setup.unit.generator(0), setup.unit.generator(1)
    torch.testing.assert_close(streams.reconstructions, [g1(drawn[0]), g2(drawn[1])])
    torch.testing.assert_close(streams.translations, [g1(drawn[1]), g2(drawn[0])])


def test_step_of_e_and_g_leaves_d(setup: Setup, no_noise: None) -> None:
    setup.optimiser_d.param_groups[0]["lr"] = 0.0
    unit, adversaries = snapshot(setup.unit), snapshot(setup.adversaries)
    d_terms = weighted(by_hand(setup)[0])
    parameters = list(setup.adversaries.parameters())
    expected = torch.autograd.grad(torch.stack(list(d_terms.values())).sum(), parameters)
    setup.update()
    assert same(adversaries, setup.adversaries)
    assert changed_everywhere(unit, setup.unit)
    for parameter, gradient in zip(parameters, expected, strict=True):  # nothing of the second step's
        assert parameter.requires_grad
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad, gradient)


def calls(setup: Setup, weights: LossConfig, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each part runs in one update."""
    seen: Counter[str] = Counter()
    encode = setup.unit.encode

    def counted(*images: Tensor) -> list[Tensor]:
        seen["encode"] += 1
        return encode(*images)

    monkeypatch.setattr(setup.unit, "encode", counted)
    for name, modules in (
        ("g", setup.unit.generators),
        ("e", setup.unit.encoders),
        ("d", setup.adversaries.discriminators),
    ):
        for index, module in enumerate(modules):
            module.register_forward_hook(lambda *_, key=f"{name}{index + 1}": seen.update([key]))
    setup.update(weights)
    return seen


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ({}, {"encode": 2, "e": 2, "g": 2, "d": 3}),
        ({"cycle": 0.0}, {"encode": 2, "e": 2, "g": 1, "d": 3}),
        ({"cycle": 0.0, "cycle_kl": 0.0}, {"encode": 1, "e": 1, "g": 1, "d": 3}),
        ({"gan": 0.0}, {"encode": 2, "e": 2, "g": 2, "d": 0}),
    ],
)
def test_each_part_runs_as_often_as_needed(
    setup: Setup, monkeypatch: pytest.MonkeyPatch, weights: dict[str, float], expected: dict[str, int]
) -> None:
    seen = calls(setup, LossConfig(**weights), monkeypatch)
    assert seen["encode"] == expected["encode"]
    for name in "egd":
        assert seen[f"{name}1"] == seen[f"{name}2"] == expected[name], name


def judged(setup: Setup, domain: int, head: GuidedHead | None = None) -> list[Tensor]:
    """What D saw in one update: an image, a translation, and in the step of E, G a translation again."""
    seen: list[Tensor] = []
    setup.adversaries.discriminators[domain].register_forward_pre_hook(lambda _, x: seen.append(x[0]))
    setup.update(head=head)
    return seen


@pytest.mark.parametrize("domain", [0, 1])
def test_both_steps_judge_the_same_translations(setup: Setup, no_noise: None, domain: int) -> None:
    other = 1 - domain
    expected = setup.unit.generator(domain)(setup.unit.encoder(other)(setup.images[other]) + SHIFT).detach()
    real, first, second = judged(setup, domain)
    assert real is setup.images[domain]
    assert first.data_ptr() == second.data_ptr()
    assert not first.requires_grad
    assert second.requires_grad
    torch.testing.assert_close(second.detach(), expected)


def test_guided_cycles_start_from_the_translation(setup: Setup, no_noise: None) -> None:
    expected = weighted(by_hand(setup)[1])
    terms = setup.update(head=GuidedHead(Detail(radius=2)).double())
    for name in ("cycle1", "cycle_kl2", "reconstruction1"):
        torch.testing.assert_close(terms[name], expected[name].detach())


def test_warm_up_is_a_vae_of_both_domains(setup: Setup, no_noise: None) -> None:
    x = torch.cat(setup.images)
    mean = setup.unit.encoder(0)(x)
    expected = 100 * (setup.unit.generator(0)(mean + SHIFT) - x).abs().mean()
    private = snapshot(setup.unit.encoders[1]), snapshot(setup.unit.generators[1])
    before = snapshot(setup.unit.encoders[0])
    terms = step.warm_up(setup.unit, setup.optimiser_g, setup.images, PAPER)
    torch.testing.assert_close(terms["reconstruction1"], expected.detach())
    torch.testing.assert_close(terms["kl1"], 0.1 * mean.square().mean().detach() / 2)
    assert same(private[0], setup.unit.encoders[1])
    assert same(private[1], setup.unit.generators[1])
    assert changed_everywhere(before, setup.unit.encoders[0])


def test_frozen_restores_even_after_an_error() -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2).requires_grad_(False))
    with pytest.raises(RuntimeError), step.frozen(module):
        assert not any(p.requires_grad for p in module.parameters())
        raise RuntimeError
    assert [p.requires_grad for p in module.parameters()] == [True, True, False, False]
