"""The terms of an update, written out in numpy, and which networks each side of it changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from digit_sets import TINY, settings
from torch import Tensor

from unit_edge.config import OptimConfig
from unit_edge.config.adapt import AdaptConfig, AdaptLossConfig, DigitNetworkConfig
from unit_edge.train.adapt import losses
from unit_edge.train.adapt.networks import Adaptation
from unit_edge.train.adapt.state import AdaptState
from unit_edge.train.adapt.step import DigitBatch, Made, discriminator_terms, generator_terms, make
from unit_edge.train.draw import BatchPart, Draw

CPU = torch.device("cpu")
COUNT = 4


def batch(channels: int = 1) -> DigitBatch:
    generator = torch.Generator().manual_seed(1)
    x1, x2, plain = torch.rand(3, COUNT, channels, 32, 32, generator=generator) * 2 - 1
    return DigitBatch(x1, torch.tensor([3, 1, 4, 1]), x2, plain)


def cross_entropy(logits: Tensor, labels: np.ndarray) -> np.ndarray:
    x = logits.detach().numpy().astype(np.float64)
    return np.log(np.exp(x).sum(1)) - x[np.arange(len(x)), labels]


def softplus(x: Tensor) -> np.ndarray:
    return np.log1p(np.exp(x.detach().numpy().astype(np.float64)))


def made_of(nets: Adaptation, samples: DigitBatch) -> Made:
    return make(nets, samples, Draw((0, 0, 0), BatchPart(2 * COUNT, 0, 2 * COUNT), CPU))


def test_consistency_counts_confident_images_only() -> None:
    teacher = torch.full((3, 10), 0.0)
    for row, (label, probability) in enumerate(((7, 0.999), (2, 0.15), (5, 0.978))):
        teacher[row] = (1 - probability) / 9
        teacher[row, label] = probability
    logits = torch.randn(3, 10, generator=torch.Generator().manual_seed(0))
    each = cross_entropy(logits, np.array([7, 2, 5]))
    for confidence, counted in ((0.95, (0, 2)), (0.99, (0,)), (0.1, (0, 1, 2))):
        expected = sum(each[i] for i in counted) / 3
        assert float(losses.consistency(logits, teacher, confidence)) == pytest.approx(expected, 1e-5)


def test_balance_takes_back_what_is_said_too_often() -> None:
    mean = torch.tensor([0.3, 0.1, 0.2, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.1])
    given = torch.zeros(1, 10)
    given[0, 0], given[0, 1] = 0.6, 0.4
    # 0.6/0.3 = 2 and 0.4/0.1 = 4
    expected = torch.tensor([[1 / 3, 2 / 3] + [0.0] * 8])
    torch.testing.assert_close(losses.balanced(given, mean), expected)
    assert torch.allclose(losses.balanced(mean[None], mean), torch.full((1, 10), 0.1))


@pytest.mark.parametrize("discriminator", ["table-6", "table-5"])
def test_discriminators_terms_in_numpy(discriminator: str) -> None:
    network = DigitNetworkConfig(width=2, init="kaiming-half", discriminator=discriminator)  # type: ignore[arg-type]
    weights = AdaptLossConfig(
        gan=0.5, classification=2.0, features=3.0, translated=0.7, consistency=0.3, confidence=0.2
    )
    config, samples = settings(network, weights), batch()
    torch.manual_seed(0)
    nets = Adaptation(network)
    made = made_of(nets, samples).detached()
    nets.eval()  # no dropout, so that every term can be computed alone
    teacher = torch.softmax(nets.discriminator.classify(samples.unchanged, 1), 1)
    terms = discriminator_terms(nets, samples, made, teacher, config)

    def real(x: Tensor, domain: int) -> Tensor:
        return nets.discriminator.heads(nets.discriminator.features({domain: x}))[0]

    to1, to2 = made.first[COUNT:], made.second[:COUNT]
    labels = samples.labels.numpy()
    features = [nets.discriminator.features({d: x}) for d, x in enumerate((made.first, made.second))]
    probability = teacher.detach().numpy()
    on_target = cross_entropy(nets.discriminator.classify(samples.target, 1), probability.argmax(1))
    expected = {
        "class1": 2.0 * cross_entropy(nets.discriminator.classify(samples.source, 0), labels).mean(),
        "gan1_d": 0.5 * (softplus(-real(samples.source, 0)).mean() + softplus(real(to1, 0)).mean()),
        "gan2_d": 0.5 * (softplus(-real(samples.target, 1)).mean() + softplus(real(to2, 1)).mean()),
        "features": 3.0 * np.abs((features[0] - features[1]).detach().numpy()).mean(),
        "translated": 0.7 * cross_entropy(nets.discriminator.classify(to2, 1), labels).mean(),
        "consistency": 0.3 * (on_target * (probability.max(1) >= 0.2)).mean(),
    }
    assert {k: v.item() for k, v in terms.items()} == pytest.approx(expected, rel=1e-4)


def test_generators_terms_in_numpy() -> None:
    weights = AdaptLossConfig(gan=0.5, kl=0.2, reconstruction=7.0, translated=0.3)
    config, samples = settings(TINY, weights), batch()
    torch.manual_seed(0)
    nets = Adaptation(TINY)
    made = made_of(nets, samples)
    nets.eval()
    terms = generator_terms(nets, samples, made, config)
    mean = made.means.detach().numpy()
    first, second = made.first.detach().numpy(), made.second.detach().numpy()
    real = [
        nets.discriminator.heads(nets.discriminator.features({d: x}))[0]
        for d, x in enumerate((made.first[COUNT:], made.second[:COUNT]))
    ]
    expected = {
        "kl1": 0.2 * 0.5 * (mean[:COUNT] ** 2).mean(),
        "kl2": 0.2 * 0.5 * (mean[COUNT:] ** 2).mean(),
        "reconstruction1": 7.0 * np.abs(first[:COUNT] - samples.source.numpy()).mean(),
        "reconstruction2": 7.0 * np.abs(second[COUNT:] - samples.target.numpy()).mean(),
        "gan1": 0.5 * softplus(-real[0]).mean(),
        "gan2": 0.5 * softplus(-real[1]).mean(),
        "translated_g": 0.3
        * cross_entropy(nets.discriminator.classify(made.second[:COUNT], 1), samples.labels.numpy()).mean(),
    }
    assert {k: v.item() for k, v in terms.items()} == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("balance", [True, False])
def test_a_digit_that_is_hardly_ever_decided_for_becomes_the_teachers_label(balance: bool) -> None:
    """An untrained network is sure of nothing: without the balance, the teacher has no label at all."""
    weights = AdaptLossConfig(consistency=1.0, confidence=0.8, consistency_from=0.0, balance=balance)
    state = AdaptState(settings(loss=weights, optim=OptimConfig(steps=5, batch=COUNT, lr=1e-3, ema=0.9)), CPU)
    samples = batch()
    with torch.no_grad():
        said = torch.softmax(state.ema.discriminator.classify(samples.unchanged, 1), 1)
    before = torch.full((10,), 1 / 9)
    before[7] = 0.0
    state.update.shares = before.clone()
    terms = state.advance(samples)
    if not balance:
        assert float(said.max()) < 0.8 and terms["consistency"] == 0
        assert torch.equal(state.update.shares, before)
        return
    torch.testing.assert_close(state.update.shares, 0.99 * before + 0.01 * said.mean(0))
    shares = said / state.update.shares
    assert (shares[:, 7] / shares.sum(1) > 0.8).all(), "or the test shows nothing"
    assert terms["consistency"] > 1


def changed(before: dict[str, Tensor], state: AdaptState) -> set[str]:
    now = dict(state.nets.named_parameters())
    return {name.split(".")[1] for name, old in before.items() if not torch.equal(old, now[name])}


def advanced(config: AdaptConfig, steps: int) -> tuple[AdaptState, set[str]]:
    state = AdaptState(config, CPU)
    before = {name: p.detach().clone() for name, p in state.nets.named_parameters()}
    for _ in range(steps):
        state.nets.train()
        state.advance(batch())
    return state, changed(before, state)


ALL = {"encoders", "encoder_shared", "generator_shared", "generators", "first", "shared", "real", "digit"}


def test_a_step_changes_every_network() -> None:
    config = settings(optim=OptimConfig(steps=5, batch=COUNT, lr=1e-3))
    assert advanced(config, 1)[1] == ALL


def test_without_the_target_only_d1_is_trained() -> None:
    loss = AdaptLossConfig(gan=0, features=0)
    _, parts = advanced(settings(loss=loss, optim=OptimConfig(steps=5, batch=COUNT, lr=1e-3)), 1)
    assert {"shared", "digit"} <= parts <= {"first", "shared", "digit"}


def test_halves_are_equal_until_the_warm_up_ends() -> None:
    config = settings(optim=OptimConfig(steps=5, batch=COUNT, lr=1e-3, ema=0.9, warmup_steps=2))
    state, _ = advanced(config, 2)
    x = batch().source
    for nets in (state.nets.eval(), state.ema):
        with torch.no_grad():
            assert torch.equal(nets.unit.translate(x, 0), nets.unit.translate(x, 1))
            assert torch.equal(nets.discriminator.classify(x, 0), nets.discriminator.classify(x, 1))
    state.nets.train()
    state.advance(batch())
    state.nets.eval()
    with torch.no_grad():
        assert not torch.equal(state.nets.unit.translate(x, 0), state.nets.unit.translate(x, 1))


@pytest.mark.parametrize("broken", ["term", "gradient"])
def test_a_broken_step_is_skipped(broken: str) -> None:
    config = settings(optim=OptimConfig(steps=5, batch=COUNT, lr=1e-3))
    state = AdaptState(config, CPU)
    before = {name: p.detach().clone() for name, p in state.nets.named_parameters()}
    samples = batch()
    if broken == "term":
        state.advance(replace(samples, source=samples.source * float("nan")))
        assert "class1 is nan" in state.update.faults[0]
    else:
        for layer in (state.nets.discriminator.shared[0], state.nets.unit.encoder_shared):
            layer.register_full_backward_hook(lambda _m, given, _out: (given[0] * float("inf"),))
        state.advance(samples)
        assert any("gradient of" in fault for fault in state.update.faults)
    assert not changed(before, state)
    assert all(buffer.isfinite().all() for buffer in state.nets.buffers())
