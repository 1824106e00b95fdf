from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tiny import TINY
from torch import Tensor, nn

from unit_edge.config import NetworkConfig, preset_network
from unit_edge.train.networks import UNIT, Discriminator, initialise


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


def conv(kernel: int, narrow: int, wide: int) -> int:
    """Weights and biases."""
    return kernel * kernel * narrow * wide + wide


def block(narrow: int, wide: int) -> int:
    projection = 0 if narrow == wide else conv(1, narrow, wide)
    return conv(3, narrow, wide) + conv(3, wide, wide) + projection


@pytest.mark.parametrize("shared", range(5))
def test_parameters_counted_by_hand(shared: int) -> None:
    front = conv(7, 3, 4) + conv(3, 4, 6) + conv(3, 6, 8)
    back = conv(3, 10, 8) + conv(3, 8, 6) + conv(1, 6, 3)
    encoder = [block(8, 10)] + [block(10, 10)] * 3
    generator = [block(10, 10)] * 4
    once = sum(encoder[4 - shared :]) + sum(generator[:shared])
    unit = UNIT(NetworkConfig(front=(4, 6, 8), residual_width=10, shared=shared))
    assert parameters(unit) == 2 * (front + back + sum(encoder) + sum(generator)) - once


@pytest.mark.parametrize("shared", range(5))
def test_a_domain_reaches_its_own_layers_and_the_shared_ones(shared: int) -> None:
    unit = UNIT(replace(TINY, residual_blocks=4, shared=shared, init="kaiming-half"))
    for domain in (0, 1):
        unit.zero_grad(set_to_none=True)
        unit.decode(unit.encoder(domain)(torch.rand(1, 3, 16, 16)), domain).square().sum().backward()  # type: ignore[no-untyped-call]
        own = {id(p) for m in (unit.encoder(domain), unit.generator(domain)) for p in m.parameters()}
        assert {id(p) for p in unit.parameters() if p.grad is not None and p.grad.any()} == own


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


@pytest.mark.parametrize("scale", range(3))
def test_a_change_anywhere_changes_every_scale(scale: int) -> None:
    torch.manual_seed(1)
    discriminator = Discriminator(replace(TINY, scales=3, discriminator_kernel=1)).double()
    initialise(discriminator, "kaiming-half")
    x = torch.randn(1, 3, 48, 100).double()
    before = discriminator(x)[scale]
    for top in range(0, 48, 4):
        for left in range(0, 100, 4):
            changed = x.clone()
            changed[:, :, top : top + 4, left : left + 4] += 1
            assert not torch.equal(discriminator(changed)[scale], before), (top, left)


def test_discriminators_of_the_presets() -> None:
    with torch.device("meta"):
        x = torch.empty(1, 3, 480, 640)
        assert [tuple(y.shape[2:]) for y in Discriminator(preset_network("paper"))(x)] == [(14, 19)]
        sizes = [tuple(y.shape[2:]) for y in Discriminator(preset_network("released"))(x)]
    assert sizes == [(30, 40), (15, 20), (8, 10)]


def test_dropout_only_in_training() -> None:
    unit = UNIT(replace(TINY, dropout=0.5, init="kaiming-half"))
    x = torch.randn(1, 3, 16, 16)
    assert not torch.equal(unit.encoder(0)(x), unit.encoder(0)(x))
    unit.eval()
    assert torch.equal(unit.encoder(0)(x), unit.encoder(0)(x))


@pytest.mark.parametrize(
    ("how", "expected"), [("normal", 0.02), ("kaiming-half", 0.5 * (2 / 1.04 / (32 * 9)) ** 0.5)]
)
def test_initial_weights(how: str, expected: float) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(32, 64, 3)
    initialise(layer, how)
    assert layer.weight.std().item() == pytest.approx(expected, rel=0.05)
    assert layer.bias is not None
    assert not layer.bias.any()


def test_a_half_size_stem_and_subpixel_output_keep_the_sizes() -> None:
    config = replace(TINY, stem="half", output="subpixel", out_kernel=3, upsampling="nearest")
    unit = UNIT(config)
    z = unit.encode_one(torch.rand(2, 3, 32, 48), 0)
    assert z.shape == (2, config.residual_width, 8, 12)
    assert unit.decode(z, 1).shape == (2, 3, 32, 48)


def test_a_subpixel_output_begins_without_a_checkerboard() -> None:
    unit = UNIT(replace(TINY, output="subpixel", out_kernel=3, init="kaiming-half"))
    y = unit.decode(torch.randn(1, TINY.residual_width, 6, 6), 0)
    cells = y.unfold(2, 2, 2).unfold(3, 2, 2)
    torch.testing.assert_close(cells.amax((-1, -2)), cells.amin((-1, -2)))


def test_dilation_widens_what_a_code_sees() -> None:
    def seen(dilations: tuple[int, ...]) -> int:
        unit = UNIT(replace(TINY, residual_blocks=3, shared=3, dilations=dilations, init="kaiming-half"))
        x = torch.rand(1, 3, 160, 160, requires_grad=True)
        unit.encode_one(x, 0)[0, :, 20, 20].sum().backward()  # type: ignore[no-untyped-call]
        assert x.grad is not None
        return int(x.grad.abs().sum((0, 1, 2)).count_nonzero())

    assert seen((1, 2, 4)) == seen(()) + 2 * 4 * (0 + 1 + 3)
