"""The comparisons of the paper and of this project, each a few settings away from the paper's run."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import LIVELY, TWO_SCALES, advance, changed, names, pictures, settings, snapshot, state_of
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrize import is_parametrized

from unit_edge.config import LossConfig, OptimConfig, RunConfig, SpeedConfig
from unit_edge.errors import ConfigError
from unit_edge.settings import load_config
from unit_edge.train.networks import Discriminator
from unit_edge.train.optim.lr_schedule import lr_share
from unit_edge.train.state import TrainingState

RUN = """
[network]
front = [4, 6, 8]
residual_width = 10
negative_slope = 0.2
init = "kaiming-half"
discriminator = [4, 4, 4]
[data]
short_side = [34, 40]
crop = [32, 32]
[optim]
batch = 2
lr = 1e-3
[domain1]
name = "a"
paths = ["a"]
[domain2]
name = "b"
paths = ["b"]
"""
PAPER = "d gan kl reconstruction cycle_kl cycle"
NO_CYCLE = ("loss.cycle=0.0", "loss.cycle_kl=0.0")
CYCLEGAN = (
    "network.shared=0",
    "network.variational=false",
    "loss.kl=0.0",
    "loss.cycle_kl=0.0",
    "loss.reconstruction=0.0",
)
COGAN = ("network.encoders=false", "loss.kl=0.0", "loss.reconstruction=0.0", *NO_CYCLE)


def load(folder: Path, *overrides: str) -> RunConfig:
    path = folder / "run.toml"
    path.write_text(RUN)
    return load_config(path, list(overrides))


@pytest.mark.parametrize(
    ("overrides", "terms"),
    [
        *(((f"network.shared={shared}",), PAPER) for shared in range(5)),
        *(((f"network.discriminator={[4] * depth}", "data.crop=[64, 64]"), PAPER) for depth in range(3, 6)),
        (("network.discriminator=[4, 4, 4, 4, 4, 4]", "data.crop=[68, 68]"), PAPER),
        (NO_CYCLE, "d gan kl reconstruction"),
        (("loss.kl=0.0", "loss.cycle_kl=0.0", "network.variational=false"), "d gan reconstruction cycle"),
        (CYCLEGAN, "d gan cycle"),
        (COGAN, "d gan"),
        (("loss.gan_loss=least_squares",), PAPER),
        (("loss.r1=1.0",), f"{PAPER} r1_"),
        (("network.spectral_norm=true",), PAPER),
        (("network.dropout=0.5", "network.norm=instance"), PAPER),
        (("loss.discriminator_input=guided", "detail.radius=2"), PAPER),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_each_trains_on_its_own_terms(tmp_path: Path, overrides: tuple[str, ...], terms: str) -> None:
    config = load(tmp_path, *overrides)
    state = state_of(config)
    before = snapshot(state.unit), snapshot(state.adversaries)
    given = state.advance([F.interpolate(x, config.data.crop) for x in pictures(2)])
    assert set(given) == {f"{name}{i}" for name in terms.split() for i in (1, 2)}
    assert np.isfinite(list(given.values())).all() and state.update.faults == []
    for module, old in zip((state.unit, state.adversaries), before, strict=True):
        unmoved = names(module) - changed(module, old)
        # a normalisation takes away what the convolution before it adds everywhere
        assert all(config.network.norm == "instance" and name.endswith("bias") for name in unmoved)


@pytest.mark.parametrize("shared", range(5))
def test_shared_layers_stay_the_same_ones(tmp_path: Path, shared: int) -> None:
    """After a step, what both encoders have in common is as many blocks, and so for the generators."""
    unit = (state := state_of(load(tmp_path, f"network.shared={shared}"))).unit
    advance(state, 1)
    for pair, blocks in (
        ((unit.encoder(0), unit.encoder(1)), unit.encoder_shared),
        ((unit.generator(0), unit.generator(1)), unit.generator_shared),
    ):
        own, other = ({p.data_ptr() for p in network.parameters()} for network in pair)
        assert len(blocks) == shared
        assert own & other == {p.data_ptr() for p in blocks.parameters()}


def test_cyclegan_is_without_noise(tmp_path: Path) -> None:
    """Its terms, from whole networks: G2(E1(x1)), and back."""
    state = state_of(load(tmp_path, *CYCLEGAN, "loss.gan_loss=least_squares"))
    unit, (x1, x2) = state.unit, pictures(2)
    there, back = [nn.Sequential(unit.encoder(i), unit.generator(1 - i)) for i in (0, 1)]
    d1, d2 = state.adversaries.discriminators
    with torch.no_grad():
        expected = {
            "d1": 10 * ((d1(x1)[0] - 1) ** 2).mean() + 10 * (d1(back(x2))[0] ** 2).mean(),
            "d2": 10 * ((d2(x2)[0] - 1) ** 2).mean() + 10 * (d2(there(x1))[0] ** 2).mean(),
            "cycle1": 100 * (back(there(x1)) - x1).abs().mean(),
            "cycle2": 100 * (there(back(x2)) - x2).abs().mean(),
        }
    terms = state.advance([x1, x2])
    assert {name: terms[name] for name in expected} == pytest.approx(
        {name: float(value) for name, value in expected.items()}, rel=1e-5
    )


def test_cogan_makes_both_images_of_one_code(tmp_path: Path) -> None:
    state = state_of(load(tmp_path, *COGAN, "optim.batch=8"))
    assert not any("encoder" in name for name in names(state.unit))
    codes: list[Tensor] = []
    hidden: list[list[Tensor]] = [[], []]
    seen: list[list[Tensor]] = [[], []]
    state.unit.generator_shared.register_forward_pre_hook(lambda _, x: codes.append(x[0]))
    for i in (0, 1):
        state.unit.generators[i].register_forward_pre_hook(lambda _, x, i=i: hidden[i].append(x[0]))
        state.unit.generators[i].register_forward_hook(lambda _, __, out, i=i: seen[i].append(out))
    advance(state, 4)
    for z, *ones in zip(codes, *hidden, *seen, strict=True):
        assert torch.equal(ones[0], ones[1])  # of one code
        assert ones[2].shape == ones[3].shape == (8, 3, 32, 32)
        assert z.shape == (8, 10, 8, 8)
    z = torch.stack(codes).flatten()
    assert abs(float(z.mean())) < 4 / len(z) ** 0.5
    assert abs(float(z.var()) - 1) < 4 * (2 / len(z)) ** 0.5
    rows = torch.stack(codes).flatten(0, 1).flatten(1)  # each image of each step
    assert float((torch.corrcoef(rows) - torch.eye(len(rows))).abs().max()) < 5 / rows.shape[1] ** 0.5


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        (("network.variational=false",), "loss.kl = 0.1"),
        (("network.variational=false", "loss.kl=0.0"), "loss.cycle_kl = 0.1"),
        (("network.encoders=false",), "loss.kl = 0.1"),
        (("network.encoders=false", "loss.kl=0.0"), "loss.reconstruction = 100.0"),
        ((*COGAN, "loss.cycle=1.0"), "loss.cycle = 1.0"),
        ((*COGAN, "loss.cycle_kl=1.0"), "loss.cycle_kl = 1.0"),
        ((*COGAN, "optim.warmup_steps=5"), "optim.warmup_steps = 5"),
        ((*COGAN, "log.evaluate_every=5"), "log.evaluate_every = 5"),
        ((*COGAN, "loss.discriminator_input=guided"), "loss.discriminator_input = 'guided'"),
        (("network.discriminator=[4, 4, 4, 4, 4, 4, 4]",), "network.discriminator = (4, 4, 4, 4, 4, 4, 4)"),
        (("network.discriminator=[4, 4, 4, 4, 4, 4]",), "data.crop = (32, 32)"),
        (("network.scales=4", "network.discriminator_kernel=2"), "data.crop = (32, 32)"),
        (("network.residual_blocks=2", "network.shared=3"), "network.shared = 3"),
        (("network.shared=-1",), "network.shared = -1"),
        (("speed.accumulate=3",), "speed.accumulate = 3"),
        (("speed.accumulate=0",), "speed.accumulate = 0"),
        (("speed.precision=fp8",), "speed.precision = 'fp8'"),
        (("loss.feature_gan=1.0",), "loss.feature_gan = 1.0"),
        (("optim.decay_from=1.5",), "optim.decay_from = 1.5"),
        (("optim.max_skipped=0",), "optim.max_skipped = 0"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_contradictions_are_named(tmp_path: Path, overrides: tuple[str, ...], named: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(named)) as error:
        load(tmp_path, *overrides)
    assert "\n" not in str(error.value)


def test_the_smallest_crop_of_each_discriminator_is_accepted(tmp_path: Path) -> None:
    """What the settings call too small is what D can't take, and no more."""
    for depth in range(3, 7):
        for kernel in (1, 2, 3):
            for side in (8, 16, 20, 32, 36, 64, 68):
                network = replace(LIVELY, discriminator=(2,) * depth, discriminator_kernel=kernel)
                try:
                    (logits,) = Discriminator(network)(torch.zeros(1, 3, side, side))
                except RuntimeError:
                    logits = None
                overrides = (
                    f"network.discriminator={[2] * depth}",
                    f"network.discriminator_kernel={kernel}",
                    f"data.crop=[{side}, {side}]",
                )
                if logits is None:
                    with pytest.raises(ConfigError, match=r"data\.crop"):
                        load(tmp_path, *overrides)
                else:
                    size = load(tmp_path, *overrides).network.logits_size(side, side)
                    assert size == tuple(logits.shape[2:])


def test_rates_halve_and_fall() -> None:
    def rates(steps: tuple[int, ...], **optim: float) -> list[float]:
        config = settings(optim=OptimConfig(steps=100, **optim))  # type: ignore[arg-type]
        return [lr_share(step, config.optim) for step in steps]

    assert rates((0, 50, 99)) == [1, 1, 1]
    assert rates((0, 29, 30, 59, 60, 90), halve_every=30) == [1, 1, 0.5, 0.5, 0.25, 0.125]
    assert rates((0, 59, 60, 70, 80, 99), decay_from=0.6) == [1, 1, 1, 0.75, 0.5, 0.025]
    assert rates((0, 25, 75, 99), decay_from=0.0) == [1, 0.75, 0.25, 0.01]
    assert rates((50, 75, 80), halve_every=40, decay_from=0.5) == [0.5, 0.25, 0.1]


def test_both_optimisers_follow_the_schedule() -> None:
    """E, G and D have rates of their own; Adam's first step moves a weight by the rate."""
    optim = OptimConfig(steps=4, batch=2, lr=1e-3, lr_discriminator=4e-3, decay_from=0.5, halve_every=3)
    state = state_of(settings(optim=optim))
    given = []
    for _ in range(4):
        advance(state, 1)
        given.append([optimiser.param_groups[0]["lr"] for optimiser in state.optimisers])
    assert np.array(given) == pytest.approx(np.array([[1, 4], [1, 4], [1, 4], [0.25, 1]]) * 1e-3)
    for module, rate in ((0, 1e-3), (1, 4e-3)):
        fresh = state_of(settings(optim=optim))
        network = (fresh.unit, fresh.adversaries)[module]
        before = snapshot(network)
        advance(fresh, 1)
        moved = max(float((p.detach() - before[name]).abs().max()) for name, p in network.named_parameters())
        assert moved == pytest.approx(rate, rel=1e-3)


def test_the_average_follows_the_weights() -> None:
    """a <- d a + (1 - d) w, where d rises to 0.3 over the first steps."""
    state = state_of(settings(optim=OptimConfig(steps=10, batch=2, lr=1e-3, ema=0.3)))
    expected = {name: value.double() for name, value in snapshot(state.unit).items()}
    for decay in (1 / 11, 2 / 12, 3 / 13, 4 / 14, 0.3, 0.3):
        advance(state, 1)
        for name, value in snapshot(state.unit).items():
            expected[name] = decay * expected[name] + (1 - decay) * value.double()
    for name, value in snapshot(state.ema).items():
        torch.testing.assert_close(value.double(), expected[name], rtol=0, atol=1e-7)
    assert changed(state.unit, snapshot(state.ema)) == names(state.unit)
    assert not state.ema.training and not any(p.requires_grad for p in state.ema.parameters())
    assert (plain := state_of(settings())).ema is plain.unit


def spectral(state: TrainingState) -> list[Any]:
    """The layers of D1, D2 whose weights are normalised."""
    return [layer for layer in state.adversaries.modules() if is_parametrized(layer)]


def test_spectral_norms_are_one() -> None:
    """The largest singular value of each kernel of D, laid out as a matrix, after the vectors settled."""
    state = state_of(settings(TWO_SCALES, optim=OptimConfig(steps=40, batch=1, lr=1e-5)))
    advance(state, 40)
    layers = spectral(state)
    state.adversaries.eval()
    assert len(layers) == 2 * 2 * 4
    for layer in layers:
        matrix = layer.weight.detach().flatten(1).numpy()
        assert np.linalg.svd(matrix, compute_uv=False)[0] == pytest.approx(1, abs=0.02)
    assert spectral(state_of(settings(LIVELY))) == []


@pytest.mark.parametrize("cuts", [1, 2])
@pytest.mark.parametrize("r1", [0.0, 1.0])
def test_their_vectors_move_once_a_step(cuts: int, r1: float) -> None:
    """u <- normalised W normalised W^T u, by D's weights at the start of the step."""
    state = state_of(settings(TWO_SCALES, LossConfig(r1=r1), speed=SpeedConfig(accumulate=cuts)))
    expected = []
    for layer in spectral(state):
        vectors = layer.parametrizations.weight[0]
        w = layer.parametrizations.weight.original.detach().flatten(1).double()
        v = F.normalize(w.T @ vectors._u.double(), dim=0)
        expected.append(F.normalize(w @ v, dim=0).float())
    advance(state, 1)
    for layer, u in zip(spectral(state), expected, strict=True):
        torch.testing.assert_close(layer.parametrizations.weight[0]._u, u)
