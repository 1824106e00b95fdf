"""The alternating update: who learns when, and what happens to a NaN."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from tiny import CPU, LIVELY, SIDE, advance, changed, names, pictures, settings, snapshot, state_of
from torch import Tensor, nn
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from unit_edge.config import LossConfig, OptimConfig, SpeedConfig
from unit_edge.errors import TrainingError
from unit_edge.train.discriminators.adversaries import Adversaries
from unit_edge.train.draw import BatchPart, Draw
from unit_edge.train.group import Group
from unit_edge.train.loop import CYCLES, DISCRIMINATION, STREAMS, Update
from unit_edge.train.networks import UNIT
from unit_edge.train.state import TrainingState
from unit_edge.train.step import Generators, Streams, generator_terms

OPTIM = OptimConfig(steps=10, batch=2, lr=1e-3, max_skipped=3)


@pytest.fixture
def state() -> TrainingState:
    return state_of(settings(optim=OPTIM))


def total(terms: dict[str, Tensor]) -> Tensor:
    return torch.stack(list(terms.values())).sum()


def gradients(module: nn.Module) -> list[Tensor]:
    return [p.grad.clone() for p in module.parameters() if p.grad is not None]


def moments(optimiser: torch.optim.Optimizer) -> list[Tensor]:
    return [value.clone() for values in optimiser.state.values() for value in values.values()]


def test_it_is_a_step_of_d_and_then_one_of_e_and_g() -> None:
    state = state_of(settings(loss=LossConfig(r1=2.0)))
    state.unit.double()
    state.adversaries.double()
    images = [x.double() for x in pictures(2)]
    unit, adversaries = copy.deepcopy(state.unit), copy.deepcopy(state.adversaries)
    terms = state.update(images, 7)

    def draw(purpose: int) -> Draw:
        return Draw((0, 7, purpose), BatchPart(2, 0, 2), CPU)

    def streams() -> Streams:
        made: Streams = Generators(unit, state.config.loss)(images, draw(STREAMS))
        return made

    d_terms = adversaries(images, streams().translations, draw(DISCRIMINATION))
    total(d_terms).backward()  # type: ignore[no-untyped-call]
    torch.optim.Adam(adversaries.parameters(), 1e-3, (0.5, 0.999)).step()
    made = streams()
    g_terms = generator_terms(
        unit, adversaries, images, made, made.translations, draw(CYCLES), state.config.loss
    )
    total(g_terms).backward()  # type: ignore[no-untyped-call]
    torch.optim.Adam(unit.parameters(), 1e-3, (0.5, 0.999)).step()
    expected = {name: float(value.detach()) for name, value in {**d_terms, **g_terms}.items()}
    assert terms == pytest.approx(expected, rel=1e-9)
    for module, other in ((state.unit, unit), (state.adversaries, adversaries)):
        for (name, a), b in zip(module.named_parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9, msg=name)


def test_d_learns_alone_and_keeps_its_gradient(state: TrainingState) -> None:
    state.optimisers[0].param_groups[0]["lr"] = 0.0
    before, before_d = snapshot(state.unit), snapshot(state.adversaries)
    of_its_own: list[list[Tensor]] = []
    state.optimisers[1].register_step_post_hook(lambda *_: of_its_own.append(gradients(state.adversaries)))
    state.update(pictures(2), 0)
    assert changed(state.unit, before) == set()
    assert changed(state.adversaries, before_d) == names(state.adversaries)
    assert all(map(torch.equal, gradients(state.adversaries), of_its_own[0]))  # the step of E, G adds none


def test_e_and_g_learn_alone(state: TrainingState) -> None:
    state.optimisers[1].param_groups[0]["lr"] = 0.0
    before, before_d = snapshot(state.unit), snapshot(state.adversaries)
    at_step_of_d: list[bool] = []
    state.optimisers[1].register_step_pre_hook(lambda *_: at_step_of_d.append(bool(gradients(state.unit))))
    state.update(pictures(2), 0)
    assert changed(state.unit, before) == names(state.unit)
    assert changed(state.adversaries, before_d) == set()
    assert at_step_of_d == [False]
    assert all(p.requires_grad for p in state.adversaries.parameters())


@pytest.mark.parametrize("cuts", [1, 2])
def test_both_sides_see_the_same_translations(cuts: int) -> None:
    state = state_of(settings(speed=SpeedConfig(accumulate=cuts)))
    decoded: Counter[int] = Counter()
    seen: list[Tensor] = []
    for domain, generator in enumerate(state.unit.generators):

        def count(_: nn.Module, inputs: tuple[Tensor], domain: int = domain) -> None:
            decoded[domain] += len(inputs[0])

        generator.register_forward_pre_hook(count)
    state.adversaries.discriminators[1].register_forward_pre_hook(lambda _, x: seen.append(x[0]))
    state.update(pictures(2), 0)
    batch = 2 // cuts
    both, alone = seen[:cuts], seen[cuts:]
    assert [len(x) for x in seen] == [2 * batch] * cuts + [batch] * cuts
    assert not any(x.requires_grad for x in both) and all(x.requires_grad for x in alone)
    for for_d, for_g in zip(both, alone, strict=True):
        torch.testing.assert_close(for_d[batch:], for_g)
    # reconstruction, translation and cycle; micro-batches don't keep D's translations for E, G
    assert decoded == Counter({0: 6, 1: 6} if cuts == 1 else {0: 8, 1: 8})


def poison_cycles(state: TrainingState) -> Callable[[], None]:
    """G1's second pass of a step gives NaN from now on; returns what heals it."""
    calls = [0]

    def hook(_: nn.Module, inputs: tuple[Tensor], out: Tensor) -> Tensor:
        calls[0] += 1
        return out if calls[0] % 2 else out * float("nan")

    return state.unit.generators[0].register_forward_hook(hook).remove


def poison_gradient(parameter: nn.Parameter, value: float) -> None:
    parameter.register_hook(lambda g: torch.full_like(g, value))  # type: ignore[no-untyped-call]


def test_a_poisoned_image_leaves_everything_as_it_was(state: TrainingState) -> None:
    """The next good step goes on as if the bad one had not been."""
    advance(state, 1)
    other = copy.deepcopy(state)
    before, before_d = snapshot(state.unit), snapshot(state.adversaries)
    kept = [moments(optimiser) for optimiser in state.optimisers]
    images = pictures(2, 1)
    images[0][1, 2, 3, 4] = float("nan")
    state.advance(images)
    assert "d1 is nan" in state.update.faults and "reconstruction1 is nan" in state.update.faults
    assert "kl2 is nan" not in state.update.faults
    assert changed(state.unit, before) == changed(state.adversaries, before_d) == set()
    for optimiser, old in zip(state.optimisers, kept, strict=True):
        assert all(map(torch.equal, moments(optimiser), old))
    assert state.skipped == 1
    other.step += 1
    for each in (state, other):
        advance(each, 1)
    assert (state.update.faults, state.skipped) == ([], 0)
    assert changed(state.unit, before) == names(state.unit)
    assert changed(state.unit, snapshot(other.unit)) == set()
    assert changed(state.adversaries, snapshot(other.adversaries)) == set()


def test_only_the_side_with_the_fault_is_skipped(state: TrainingState) -> None:
    before, before_d = snapshot(state.unit), snapshot(state.adversaries)
    poison_cycles(state)
    terms = advance(state, 1)[0]
    assert state.update.faults == ["cycle1 is nan"]
    assert terms["cycle1"] != terms["cycle1"]
    assert changed(state.unit, before) == set()
    assert changed(state.adversaries, before_d) == names(state.adversaries)


@pytest.mark.parametrize("cuts", [1, 2])
@pytest.mark.parametrize(("value", "written"), [(float("nan"), "nan"), (float("inf"), "inf")])
def test_a_gradient_that_is_not_finite_is_named(cuts: int, value: float, written: str) -> None:
    state = state_of(settings(speed=SpeedConfig(accumulate=cuts)))
    before, before_d = snapshot(state.unit), snapshot(state.adversaries)
    last = max(name for name in names(state.unit) if name.startswith("generators.1"))
    poison_gradient(dict(state.unit.named_parameters())[last], value)
    advance(state, 1)
    assert state.update.faults == [f"the gradient of E, G is {written} ({last})"]
    assert changed(state.unit, before) == set()
    assert changed(state.adversaries, before_d) == names(state.adversaries)
    before = snapshot(state.unit)
    first, parameter = next(state.adversaries.named_parameters())
    poison_gradient(parameter, value)
    advance(state, 1)
    assert state.update.faults[0] == f"the gradient of D is {written} ({first})"


def test_it_gives_up_after_too_many_in_a_row(state: TrainingState) -> None:
    heal = poison_cycles(state)
    advance(state, 2)
    heal()
    assert state.skipped == 2
    advance(state, 1)
    assert state.skipped == 0
    poison_cycles(state)
    advance(state, 2)
    with pytest.raises(TrainingError, match=r"^step 6: cycle1 is nan, and 3 steps in a row") as error:
        advance(state, 1)
    assert "\n" not in str(error.value)


def half(scale: float) -> TrainingState:
    state = state_of(settings(optim=OPTIM, speed=SpeedConfig(precision="fp16")))
    scaler = state.update.scaler
    scaler.load_state_dict({**scaler.state_dict(), "scale": scale})
    return state


def test_an_overflow_of_fp16_halves_the_scale_and_training_goes_on() -> None:
    state = half(2.0**40)
    before, before_d = snapshot(state.unit), snapshot(state.adversaries)
    advance(state, 4)
    assert state.update.scaler.get_scale() == 2.0**32  # once for D, once for E, G
    assert changed(state.unit, before) == changed(state.adversaries, before_d) == set()
    assert (state.update.faults, state.skipped) == ([], 0)
    advance(state, 12)
    scale = state.update.scaler.get_scale()
    assert 1 < scale < 2.0**20
    assert changed(state.unit, before) == names(state.unit)
    assert changed(state.adversaries, before_d) == names(state.adversaries)
    advance(state, 2)
    assert state.update.scaler.get_scale() == scale


def test_a_nan_in_fp16_is_no_overflow() -> None:
    """Once a smaller scale can't mend it, it counts as a fault; one in a term at once."""
    state = half(4.0)
    poison_gradient(next(state.unit.parameters()), float("nan"))
    advance(state, 2)
    assert (state.update.faults, state.skipped) == ([], 0)
    advance(state, 1)
    assert state.update.faults == ["the gradient of E, G is nan (encoders.0.0.weight)"]
    state = half(2.0**10)
    images = pictures(2)
    images[1][0] = float("nan")
    state.advance(images)
    assert "d2 is nan" in state.update.faults


def test_dropout_is_drawn_apart_from_the_noise() -> None:
    """Each step seeds it anew: a run that goes on draws what it would have drawn."""
    config = settings(replace(LIVELY, dropout=0.5))
    whole, later = state_of(config), state_of(config)
    advance(whole, 2)
    advance(later, 1)
    torch.manual_seed(99)
    advance(later, 1)
    assert changed(whole.unit, snapshot(later.unit)) == set()


@pytest.fixture
def unseen(monkeypatch: pytest.MonkeyPatch) -> TrainingState:
    """As on a GPU: fused optimisers, and nobody waits for what comes of a step."""
    monkeypatch.setattr(TrainingState, "unseen", True)
    return state_of(settings(optim=OPTIM))


def test_unseen_steps_learn_as_seen_ones_do(unseen: TrainingState, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for the rounding of a fused optimiser; their terms are there once they are asked for."""
    with monkeypatch.context() as patch:
        patch.setattr(TrainingState, "unseen", False)
        seen = state_of(settings(optim=OPTIM))
        expected = advance(seen, 3)[-1]
    assert advance(unseen, 3) == [{}] * 3
    assert unseen.settle() == pytest.approx(expected, rel=1e-3)
    assert unseen.settle() == {}
    for name, value in unseen.unit.named_parameters():
        assert torch.allclose(value, seen.unit.get_parameter(name), atol=1e-5), name


def test_an_unseen_fault_leaves_everything_as_it_was_and_is_told_later(unseen: TrainingState) -> None:
    advance(unseen, 1)
    before, before_d = snapshot(unseen.unit), snapshot(unseen.adversaries)
    kept = [moments(optimiser) for optimiser in unseen.optimisers]
    images = pictures(2, 1)
    images[0][1, 2, 3, 4] = float("nan")
    unseen.advance(images)
    assert changed(unseen.unit, before) == changed(unseen.adversaries, before_d) == set()
    for optimiser, old in zip(unseen.optimisers, kept, strict=True):
        assert all(map(torch.equal, moments(optimiser), old))
    assert unseen.take_faulty() == []
    unseen.settle()
    assert {step for step, _ in unseen.take_faulty()} == {2}
    assert "d1 is nan" in unseen.faults and unseen.skipped == 1
    advance(unseen, 1)
    unseen.settle()
    assert (unseen.faults, unseen.skipped, unseen.take_faulty()) == ([], 0, [])
    assert changed(unseen.unit, before) == names(unseen.unit)


def test_an_unseen_gradient_that_is_not_finite_ends_a_run_that_has_too_many(unseen: TrainingState) -> None:
    before = snapshot(unseen.unit)
    poison_gradient(next(unseen.unit.parameters()), float("inf"))
    advance(unseen, 4)
    assert changed(unseen.unit, before) == set()
    with pytest.raises(TrainingError, match=r"step 3: the gradient of E, G is .*3 steps in a row"):
        unseen.settle()


def test_nothing_waits_for_the_values_of_an_unseen_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tensors without values, which nobody can read; the step's integers are drawn on the CPU anyway."""
    monkeypatch.setattr(Draw, "integers", lambda self, high: [0] * self.part.count)
    config = settings(optim=OPTIM)
    with FakeTensorMode():
        sides = UNIT(config.network), Adversaries(config)
        optimisers = [torch.optim.Adam(side.parameters(), fused=True) for side in sides]
        update = Update(config, *sides, optimisers, Group(CPU))
        update.unseen = True
        images = [torch.empty(2, 3, SIDE, SIDE) for _ in range(2)]
        assert update(images, 0) == update(images, 1) == {}
        assert len(update.outcomes) == 2
        with pytest.raises(DataDependentOutputException):
            update.outcomes[0].read()
