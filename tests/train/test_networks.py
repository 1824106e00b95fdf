from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tiny import TINY
from torch import Tensor, nn

from unit_edge.config import NetworkConfig, preset_network
from unit_edge.train.networks import UNIT, Discriminator, sample


def parameters(*modules: nn.Module) -> int:
    return sum(p.numel() for module in modules for p in module.parameters())


def count_macs(network: nn.Module, x: Tensor) -> int:
    """Multiply-accumulates of convolutions; transposed ones at their input's resolution."""
    total = 0

    def hook(layer: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        nonlocal total
        assert isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d))
        at = inputs[0] if isinstance(layer, nn.ConvTranspose2d) else output
        total += layer.weight.numel() * at.shape[2] * at.shape[3]

    for layer in network.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            layer.register_forward_hook(hook)
    network(x)
    return total


def test_paper_has_the_papers_size() -> None:
    with torch.device("meta"):
        unit = UNIT(NetworkConfig())
        network = nn.Sequential(unit.encoder(0), unit.generator(1))
        assert round(parameters(network) / 1e6, 2) == 38.56
        assert round(count_macs(network, torch.empty(1, 3, 480, 640)) / 1e9) == 764


def test_released_is_narrower_and_normalised_without_affine() -> None:
    unit = UNIT(preset_network("released"))
    norms = [m for m in unit.modules() if isinstance(m, nn.InstanceNorm2d)]
    assert norms and all(norm.num_features == 256 and not norm.affine for norm in norms)
    assert round(parameters(unit.encoder(0), unit.generator(1)) / 1e6, 1) == 10.7


@pytest.mark.parametrize("shared", range(5))
def test_shared_layers_exist_once(shared: int) -> None:
    unit = UNIT(replace(TINY, residual_blocks=4, shared=shared))
    one = parameters(unit.encoder(0), unit.generator(0))
    other = parameters(unit.encoder(1), unit.generator(1))
    both = parameters(unit.encoder_shared, unit.generator_shared)
    assert len(unit.encoder_shared) == len(unit.generator_shared) == shared
    assert parameters(unit) == one + other - both
    same = {id(p) for p in unit.encoder(0).parameters()} & {id(p) for p in unit.encoder(1).parameters()}
    assert len(same) == len(list(unit.encoder_shared.parameters()))


@pytest.mark.parametrize("domain", [0, 1])
def test_shared_layers_learn_from_each_domain(domain: int) -> None:
    unit = UNIT(TINY)
    unit.decode(unit.encoder(domain)(torch.rand(1, 3, 16, 16)), domain).sum().backward()
    for block in (unit.encoder_shared, unit.generator_shared):
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in block.parameters())
    assert all(p.grad is None for p in unit.encoders[1 - domain].parameters())


def test_encode_together_equals_encode_apart() -> None:
    unit = UNIT(preset_network("edge-s")).eval()
    x1, x2 = torch.rand(2, 3, 16, 16), torch.rand(1, 3, 16, 16)
    for together, apart in zip(unit.encode(x1, x2), (unit.encoder(0)(x1), unit.encoder(1)(x2)), strict=True):
        torch.testing.assert_close(together, apart)


@pytest.mark.parametrize("preset", ["paper", "released", "edge-s"])
def test_images_keep_their_size_and_range(preset: str) -> None:
    config = replace(preset_network(preset), front=(4, 4, 8), residual_width=8)
    unit = UNIT(config).eval()
    y = unit.decode(unit.encoder(0)(100 * torch.randn(1, 3, 20, 36)), 1)
    assert y.shape == (1, 3, 20, 36)
    assert y.abs().max() <= 1


@pytest.mark.parametrize("depth", range(3, 7))
def test_discriminator_depth(depth: int) -> None:
    (logits,) = Discriminator(replace(TINY, discriminator=(4,) * depth))(torch.rand(1, 3, 128, 128))
    assert logits.shape == (1, 1, 128 // 2**depth - 1, 128 // 2**depth - 1)


def test_every_scale_sees_the_whole_image() -> None:
    discriminator = Discriminator(replace(TINY, scales=3, discriminator_kernel=1))
    x = torch.rand(1, 3, 96, 128, requires_grad=True)
    for logits in discriminator(x):
        (gradient,) = torch.autograd.grad(logits.sum(), x, retain_graph=True)
        assert (gradient.abs().sum((0, 1)) > 0).all()


def test_sample_is_normal_around_the_mean() -> None:
    torch.manual_seed(0)
    mean = torch.full((200, 10, 10, 10), 3.0, requires_grad=True)
    z = sample(mean)
    assert abs(z.mean().item() - 3) < 0.02
    assert abs(z.std().item() - 1) < 0.02
    z.sum().backward()
    assert mean.grad is not None
    assert torch.equal(mean.grad, torch.ones_like(mean))
