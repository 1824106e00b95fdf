"""Tables 4, 5 and 6, and what the domains share."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from unit_edge.config.adapt import DigitNetworkConfig
from unit_edge.train.adapt.networks import Adaptation, DigitDiscriminator, DigitUNIT, xy_channels

TABLE_4 = DigitNetworkConfig()
TABLE_5 = DigitNetworkConfig(channels=3, coordinates=True, discriminator="table-5")


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def shapes(module: nn.Module, x: torch.Tensor) -> list[tuple[int, ...]]:
    """What each convolution and dense layer returns for x, in order, without the batch."""
    seen: list[tuple[int, ...]] = []
    hooks = [
        layer.register_forward_hook(lambda _m, _i, out: seen.append(tuple(out.shape[1:])))
        for layer in module.modules()
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear))
    ]
    module(x)
    for hook in hooks:
        hook.remove()
    return seen


def test_table_4_layer_by_layer() -> None:
    unit = DigitUNIT(TABLE_4).eval()
    assert shapes(unit.translator(0), torch.zeros(2, 1, 32, 32)) == [
        (64, 16, 16), (128, 8, 8), (256, 1, 1), (512, 1, 1), (1024, 1, 1),
        (512, 4, 4), (256, 8, 8), (128, 16, 16), (64, 32, 32), (1, 32, 32),
    ]  # fmt: skip


def test_table_4_parameters_by_hand() -> None:
    unit = DigitUNIT(TABLE_4)
    # weights + biases of a convolution; BatchNorm has two a channel
    assert count(unit.encoders[0]) == 5 * 5 * 1 * 64 + 64 + 2 * 64
    shared = (5 * 5 * 64 * 128 + 3 * 128) + (8 * 8 * 128 * 256 + 3 * 256) + (256 * 512 + 3 * 512)
    assert count(unit.encoder_shared) == shared + 512 * 1024 + 1024
    shared = (16 * 1024 * 512 + 3 * 512) + (16 * 512 * 256 + 3 * 256) + (16 * 256 * 128 + 3 * 128)
    assert count(unit.generator_shared) == shared
    assert count(unit.generators[1]) == 16 * 128 * 64 + 3 * 64 + 64 * 1 + 1
    assert count(unit) == sum(
        count(part) for part in (unit.encoder_shared, unit.generator_shared, *unit.encoders, *unit.generators)
    )


def test_five_channels_in_three_out() -> None:
    unit = DigitUNIT(TABLE_5)
    assert count(unit.encoders[1]) == 5 * 5 * 5 * 64 + 64 + 2 * 64
    assert count(unit.generators[0]) == 16 * 128 * 64 + 3 * 64 + 64 * 3 + 3
    x = torch.rand(2, 3, 32, 32)
    placed = unit.placed(x)
    assert placed.shape == (2, 5, 32, 32) and torch.equal(placed[:, :3], x)
    assert unit.translate(x, 0).shape == x.shape


def test_x_and_y_channels() -> None:
    x, y = xy_channels()[0]
    assert x[5, 0] == -1 + 1 / 32 and x[5, 31] == 1 - 1 / 32 and y[0, 5] == -1 + 1 / 32
    assert torch.equal(x, y.T) and (x[:, 1:] > x[:, :-1]).all() and x[0, 3] == x[9, 3]


def test_table_5_by_hand() -> None:
    discriminator = DigitDiscriminator(TABLE_5)
    assert count(discriminator.first[0]) == 25 * 3 * 64 + 64
    assert count(discriminator.shared) == 25 * (64 * 128 + 128 * 256 + 256 * 512) + 128 + 256 + 512
    assert (
        count(discriminator.real) == 512 * 2 * 2 + 1 and count(discriminator.digit) == (512 * 2 * 2 + 1) * 10
    )
    assert discriminator.dropouts == (0.1, 0.3, 0.5, 0.5)


def test_table_6_by_hand() -> None:
    discriminator = DigitDiscriminator(TABLE_4)
    assert count(discriminator.first[1]) == 25 * 20 + 20
    # 32 → 28 → 14 → 10 → 5 pixels a side
    assert count(discriminator.shared) == 25 * 20 * 50 + 50 + 5 * 5 * 50 * 500 + 500
    assert count(discriminator.real) == 501 and count(discriminator.digit) == 5010
    assert discriminator.dropouts == (0, 0, 0.5)


@pytest.mark.parametrize("config", [TABLE_4, TABLE_5])
def test_only_first_layers_of_d_and_e_and_last_two_of_g_are_private(config: DigitNetworkConfig) -> None:
    nets = Adaptation(config).eval()
    x = torch.rand(1, config.channels, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert not torch.equal(nets.unit.translate(x, 0), nets.unit.translate(x, 1))
        assert not torch.equal(nets.discriminator.classify(x, 0), nets.discriminator.classify(x, 1))
        nets.tie()
        assert torch.equal(nets.unit.translate(x, 0), nets.unit.translate(x, 1))
        assert torch.equal(nets.discriminator.classify(x, 0), nets.discriminator.classify(x, 1))
        private = {id(p) for pair in nets.halves() for half in pair for p in half.parameters()}
        for name, p in nets.named_parameters():
            owned = name.startswith(("unit.encoders.", "unit.generators.", "discriminator.first."))
            assert owned == (id(p) in private), name


def test_both_domains_together_as_one_by_one() -> None:
    nets = Adaptation(DigitNetworkConfig(width=4)).eval()
    x1, x2 = torch.rand(2, 3, 1, 32, 32, generator=torch.Generator().manual_seed(0)).unbind()
    with torch.no_grad():
        features = nets.discriminator.features({0: x1, 1: x2})
        torch.testing.assert_close(features[:3], nets.discriminator.features({0: x1}))
        torch.testing.assert_close(features[3:], nets.discriminator.features({1: x2}))
        first, second = nets.unit.decode(nets.unit.encode(x1, x2))
        torch.testing.assert_close(second[:3], nets.unit.translate(x1, 0))
        torch.testing.assert_close(first[3:], nets.unit.translate(x2, 1))


def test_dropout_before_the_features_can_be_left_out() -> None:
    discriminator = DigitDiscriminator(TABLE_5).train()
    x = torch.rand(2, 3, 32, 32)
    assert discriminator.noisy_inside
    assert not torch.equal(discriminator.features({0: x}), discriminator.features({0: x}))
    assert torch.equal(
        discriminator.features({0: x}, dropout=False), discriminator.features({0: x}, dropout=False)
    )
    assert not DigitDiscriminator(TABLE_4).noisy_inside
