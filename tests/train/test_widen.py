"""Wider networks begin with what computes the same, and their copies learn apart."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from unit_edge.config import NetworkConfig, preset_network
from unit_edge.train.networks import UNIT
from unit_edge.train.widen import as_wide, widened

PAPER = NetworkConfig(front=(3, 4, 6), residual_width=8, residual_blocks=2, norm="instance")
"""Transposed convolutions and a norm, as in the paper, but small."""
SHORT = replace(PAPER, stem="half", output="subpixel", upsampling="nearest")


def pair(narrow: NetworkConfig, wide: NetworkConfig) -> tuple[UNIT, UNIT]:
    """Networks with weights away from zero, and wider ones with theirs."""
    torch.manual_seed(1)
    small = UNIT(narrow).eval()
    with torch.no_grad():
        for parameter in small.parameters():
            parameter.normal_(0.0, parameter[0].numel() ** -0.5 if parameter.ndim > 1 else 0.3)
    large = UNIT(wide).eval()
    large.load_state_dict(widened(small, wide))
    return small, large


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [
        (preset_network("edge-s"), preset_network("edge-m")),
        (PAPER, replace(PAPER, front=(5, 4, 13), residual_width=30)),
        (
            replace(SHORT, front=(2, 4, 8)),
            replace(SHORT, front=(2, 9, 16), residual_width=16),
        ),
    ],
    ids=["edge-s in edge-m", "paper", "no projection"],
)
def test_wider_networks_compute_the_same(narrow: NetworkConfig, wide: NetworkConfig) -> None:
    small, large = pair(narrow, wide)
    image = torch.rand(2, 3, 16, 24) * 2 - 1
    with torch.no_grad():
        for source, target in ((0, 1), (1, 0), (1, 1)):
            there = small.decode(small.encode_one(image, source), target)
            here = large.decode(large.encode_one(image, source), target)
            assert there.std() > 0.1
            torch.testing.assert_close(here, there, rtol=0, atol=2e-5)


def test_copies_learn_apart() -> None:
    """Copies that read the same and are read alike would have equal gradients for ever."""
    narrow, wide = preset_network("edge-s"), preset_network("edge-m")
    narrow_of = {64: 24, 112: 48, 144: 64}  # the first copy's place
    seen = 0
    _, large = pair(narrow, wide)
    large.decode(large.encode_one(torch.rand(1, 3, 16, 24) * 2 - 1, 0), 1).square().sum().backward()
    for name, layer in large.named_modules():
        learns = isinstance(layer, torch.nn.Conv2d) and layer.weight.grad is not None
        if learns and layer.out_channels in narrow_of:
            gradient = layer.weight.grad.flatten(1)
            cosine = torch.nn.functional.cosine_similarity(
                gradient[0], gradient[narrow_of[layer.out_channels]], 0
            )
            assert cosine < 0.999, name
            seen += 1
    assert seen > 10


def test_what_a_narrow_network_can_grow_into() -> None:
    narrow, wide = preset_network("edge-s"), preset_network("edge-m")
    assert as_wide(narrow, wide) == wide
    assert as_wide(wide, narrow) == wide  # it can't shrink
    for other in (replace(wide, shared=1), replace(wide, out_kernel=5)):
        assert as_wide(narrow, other) == wide  # the rest is compared by the caller
    assert as_wide(narrow, replace(wide, front=(32, 64, 144))) == narrow  # its first block has a projection
