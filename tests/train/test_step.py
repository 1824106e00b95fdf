"""Equations 3-8 written out, each network called by itself, against the joint passes of step.py."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
import torch
from tiny import CPU, LIVELY, SIDE, pictures, settings
from torch import Tensor, nn
from torch.nn import functional as F

from unit_edge.config import Detail, LossConfig, NetworkConfig
from unit_edge.train.data.dataset import to_image
from unit_edge.train.discriminators.adversaries import Adversaries
from unit_edge.train.draw import BatchPart, Draw
from unit_edge.train.evaluation.translate_image import ImageTranslator
from unit_edge.train.grad_mode import no_parameter_grad
from unit_edge.train.guided import GuidedHead
from unit_edge.train.networks import UNIT
from unit_edge.train.step import Generators, Streams, discriminator_inputs, generator_terms

PAPER = LossConfig()
LAMBDA = {"kl": 0.1, "reconstruction": 100, "gan": 10, "cycle_kl": 0.1, "cycle": 100, "d": 10}
Terms = dict[str, Tensor]


class Setup:
    """Networks with random weights and two images a domain, in double precision."""

    def __init__(self, network: NetworkConfig = LIVELY, weights: LossConfig = PAPER) -> None:
        self.config = settings(replace(network, scales=2, discriminator_kernel=1), weights)
        self.weights = weights
        torch.manual_seed(3)
        self.unit = UNIT(self.config.network).double()
        self.adversaries = Adversaries(self.config).double()
        for parameter in (*self.unit.parameters(), *self.adversaries.parameters()):
            nn.init.normal_(parameter, 0, 0.2)
        self.generators = Generators(self.unit, weights)
        self.images = [x.double() for x in pictures(2)]

    def draw(self, purpose: int) -> Draw:
        return Draw((0, 0, purpose), BatchPart(2, 0, 2), CPU)

    def streams(self) -> Streams:
        made: Streams = self.generators(self.images, self.draw(0))
        return made

    def d_terms(self, d_inputs: list[Tensor]) -> Terms:
        terms: Terms = self.adversaries(self.images, d_inputs, self.draw(1))
        return terms

    def g_terms(self, streams: Streams, d_inputs: list[Tensor] | None = None) -> Terms:
        d_inputs = streams.translations if d_inputs is None else d_inputs
        return generator_terms(
            self.unit, self.adversaries, self.images, streams, d_inputs, self.draw(2), self.weights
        )

    def noise(self, purpose: int) -> list[Tensor]:
        """What is added to the two codes that are sampled for a purpose."""
        draw, shape = self.draw(purpose), (LIVELY.residual_width, 8, 8)
        return [draw.noise(shape).double() for _ in range(2)]


@pytest.fixture
def setup() -> Setup:
    return Setup()


def total(terms: Terms) -> Tensor:
    return torch.stack(list(terms.values())).sum()


def bce(logits: list[Tensor], real: bool) -> Tensor:
    """-log D(x), or -log(1 - D(x)), for D = sigmoid(logits), the scales added up."""
    return sum((F.softplus(-x if real else x).mean() for x in logits), torch.zeros(()).double())


def by_hand(setup: Setup) -> tuple[Terms, Terms]:
    """Weighted terms of D and of E, G, each network called for one domain alone."""
    x1, x2 = setup.images
    e1, e2 = setup.unit.encoder(0), setup.unit.encoder(1)
    g1, g2 = setup.unit.generator(0), setup.unit.generator(1)
    d1, d2 = setup.adversaries.discriminators
    (n1, n2), (n21, n12) = setup.noise(0), setup.noise(2)
    mu1, mu2 = e1(x1), e2(x2)
    z1, z2 = mu1 + n1, mu2 + n2
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
        "cycle1": (g1(mu12 + n12) - x1).abs().mean(),
        "cycle2": (g2(mu21 + n21) - x2).abs().mean(),
    }
    weigh = {name: LAMBDA[name.rstrip("12")] * value for name, value in (d_terms | g_terms).items()}
    return {name: weigh[name] for name in d_terms}, {name: weigh[name] for name in g_terms}


def test_terms_and_gradients_are_those_of_the_equations(setup: Setup) -> None:
    streams = setup.streams()
    for terms, expected, module in (
        (setup.d_terms(streams.translations), by_hand(setup)[0], setup.adversaries),
        (setup.g_terms(streams), by_hand(setup)[1], setup.unit),
    ):
        assert terms.keys() == expected.keys()
        for name, value in terms.items():
            torch.testing.assert_close(value, expected[name], msg=name)
        torch.testing.assert_close(total(terms), sum(expected.values(), torch.zeros(()).double()))
        parameters = list(module.parameters())
        gradients = (torch.autograd.grad(total(side), parameters) for side in (terms, expected))
        for (name, _), a, b in zip(module.named_parameters(), *gradients, strict=True):
            torch.testing.assert_close(a, b, msg=name)


def test_without_variance_codes_are_means() -> None:
    """CycleGAN's passes: z = E(x) on all four ways."""
    weights = LossConfig(kl=0, cycle_kl=0, reconstruction=100)
    setup = Setup(replace(LIVELY, variational=False), weights)
    setup.noise = lambda _: [torch.zeros(()).double()] * 2  # type: ignore[method-assign, assignment]
    _, expected = by_hand(setup)
    terms = setup.g_terms(setup.streams())
    assert terms.keys() == {name for name in expected if "kl" not in name}
    for name, value in terms.items():
        torch.testing.assert_close(value, expected[name], msg=name)


@pytest.mark.parametrize(
    ("terms", "reached"),
    [
        ("kl1", "E1"),
        ("kl2", "E2"),
        ("reconstruction1", "E1 G1"),
        ("reconstruction2", "E2 G2"),
        ("gan1", "E2 G1"),
        ("gan2", "E1 G2"),
        ("cycle_kl1", "E1 G2 E2"),
        ("cycle_kl2", "E2 G1 E1"),
        ("cycle1", "E1 G2 E2 G1"),
        ("cycle2", "E2 G1 E1 G2"),
    ],
)
def test_a_term_teaches_its_own_private_layers_and_the_shared_ones(
    setup: Setup, terms: str, reached: str
) -> None:
    setup.g_terms(setup.streams())[terms].backward()  # type: ignore[no-untyped-call]
    unit = setup.unit
    parts: dict[str, nn.Module] = {"E": unit.encoder_shared, "G": unit.generator_shared}
    for i in (0, 1):
        parts |= {f"E{i + 1}": unit.encoders[i], f"G{i + 1}": unit.generators[i]}
    taught = {}
    for name, part in parts.items():
        gradients = [p.grad is not None and bool(p.grad.any()) for p in part.parameters()]
        assert all(gradients) or not any(gradients), name
        taught[name] = all(gradients)
    expected = {*reached.split(), *(name[0] for name in reached.split())}
    assert {name for name, value in taught.items() if value} == expected


def test_nothing_of_ds_terms_reaches_e_and_g(setup: Setup) -> None:
    total(setup.d_terms(setup.streams().translations)).backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is None for p in setup.unit.parameters())
    assert all(p.grad is not None and p.grad.any() for p in setup.adversaries.parameters())


def test_nothing_of_gs_terms_reaches_a_frozen_d(setup: Setup) -> None:
    with no_parameter_grad(setup.adversaries):
        total(setup.g_terms(setup.streams())).backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is None for p in setup.adversaries.parameters())
    assert all(p.grad is not None and p.grad.any() for p in setup.unit.parameters())


def test_r1_is_of_real_images_alone() -> None:
    setup = Setup(weights=LossConfig(r1=3.0))
    terms = setup.d_terms([torch.zeros_like(x) for x in setup.images])
    for name, x, discriminator in zip(
        ("r1_1", "r1_2"), setup.images, setup.adversaries.discriminators, strict=True
    ):
        squares = []
        for image in x:  # each alone
            image = image[None].clone().requires_grad_()
            means = [scale.mean() for scale in discriminator(image)]
            squares.append(torch.autograd.grad(torch.stack(means).sum(), image)[0].square().sum())
        torch.testing.assert_close(terms[name], 3 / 2 * torch.stack(squares).mean())
    assert terms["d1"] != terms["r1_1"]


@pytest.mark.parametrize(
    ("off", "encoded", "decoded", "d_inputs"),
    [
        ("", 2, 3, 3),
        ("kl", 2, 3, 3),
        ("reconstruction", 2, 2, 3),
        ("gan", 2, 3, 0),
        ("cycle_kl", 2, 3, 3),
        ("cycle", 2, 2, 3),
        ("cycle cycle_kl", 1, 2, 3),
        ("cycle cycle_kl gan", 1, 1, 0),
        ("cycle cycle_kl reconstruction", 1, 1, 3),
    ],
)
def test_a_weight_of_zero_removes_a_term_and_its_cost(
    off: str, encoded: int, decoded: int, d_inputs: int
) -> None:
    """Counted in batches: D sees a real, a fake and, for E and G, a fake batch again."""
    weights = LossConfig(**dict.fromkeys(off.split(), 0.0))  # type: ignore[arg-type]
    setup = Setup(weights=weights)
    seen: Counter[str] = Counter()
    for letter, modules in (
        ("E", setup.unit.encoders),
        ("G", setup.unit.generators),
        ("D", setup.adversaries.discriminators),
    ):
        for index, module in enumerate(modules):

            def count(_: nn.Module, inputs: tuple[Tensor], name: str = f"{letter}{index + 1}") -> None:
                seen[name] += len(inputs[0])

            module.register_forward_pre_hook(count)
    streams = setup.streams()
    terms = {**setup.d_terms(streams.translations or setup.images), **setup.g_terms(streams)}
    absent = {*off.split(), *(["d"] * ("gan" in off.split()))}
    assert set(terms) == {f"{name}{i}" for name in LAMBDA if name not in absent for i in (1, 2)}
    counts = {"E": 2 * encoded, "G": 2 * decoded, "D": 2 * d_inputs}
    assert seen == Counter({f"{name}{i}": count for name, count in counts.items() for i in (1, 2)})


def test_d_gets_translations_without_reconstructions(setup: Setup) -> None:
    """As micro-batches need them, with the same codes."""
    alone = setup.generators(setup.images, setup.draw(0), translations_only=True)
    assert alone.reconstructions == []
    torch.testing.assert_close(alone.translations, setup.streams().translations)


def test_adversaries_can_look_through_the_guided_head(setup: Setup) -> None:
    """It is fitted to the image that each translation is of; cycles start from the translation itself."""
    head = GuidedHead(Detail(radius=2)).double()
    streams = setup.streams()
    x1, x2 = setup.images
    into1, into2 = streams.translations
    expected = [head.at_small_size(x2, into1), head.at_small_size(x1, into2)]
    d_inputs = discriminator_inputs(setup.images, streams, head)
    torch.testing.assert_close(d_inputs, expected)
    assert discriminator_inputs(setup.images, streams, None) == streams.translations
    plain = by_hand(setup)[1]
    for name, discriminator, fake in zip(
        ("gan1", "gan2"), setup.adversaries.discriminators, expected, strict=True
    ):
        plain[name] = 10 * bce(discriminator(fake), True)
    for name, value in setup.g_terms(streams, d_inputs).items():
        torch.testing.assert_close(value, plain[name], msg=name)


def test_evaluation_has_no_noise() -> None:
    """z is the mean: the same each time, and no random number is drawn, whatever training drops."""
    unit, x = Setup(replace(LIVELY, dropout=0.5)).unit.eval(), pictures(1)[0].double()
    random = torch.get_rng_state()
    first, second = (unit.decode(unit.encode_one(x, 0), 1) for _ in range(2))
    assert torch.equal(first, second)
    torch.testing.assert_close(first, unit.generator(1)(unit.encoder(0)(x)))
    translate = ImageTranslator(unit.float(), 0, SIDE, None)
    image = to_image(x[0])
    assert (translate(image) == translate(image)).all()
    rounded = ((x + 1) * 127.5).round() / 127.5 - 1
    expected = to_image(unit.generator(1)(unit.encoder(0)(rounded.float()))[0])
    assert abs(translate(image).astype(int) - expected).max() <= 1
    assert torch.equal(torch.get_rng_state(), random)


def test_frozen_restores_even_after_an_error() -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2).requires_grad_(False))
    with pytest.raises(RuntimeError), no_parameter_grad(module):
        assert not any(p.requires_grad for p in module.parameters())
        assert not module.training
        raise RuntimeError
    assert [p.requires_grad for p in module.parameters()] == [True, True, False, False]
    assert module.training
