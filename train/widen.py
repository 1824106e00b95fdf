"""Narrow networks' weights in wider ones that compute the same (Net2Net, Chen et al., ICLR 2016)."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from unit_edge.config import NetworkConfig
from unit_edge.train.networks import UNIT

MAY_GROW = ("front", "residual_width")
"""The settings of `NetworkConfig` that may differ, and only grow."""
_SPREAD = 0.3
"""Standard deviation of what copies' outgoing weights differ by, in that of the weights."""


def as_wide(narrow: NetworkConfig, wide: NetworkConfig) -> NetworkConfig:
    """The narrow settings, with the wide ones' widths where `widened` can reach them."""
    pairs = zip((*narrow.front, narrow.residual_width), (*wide.front, wide.residual_width), strict=True)
    if any(here < there for there, here in pairs) or _projects(narrow) != _projects(wide):
        return narrow
    return replace(narrow, **{name: getattr(wide, name) for name in MAY_GROW})


def widened(narrow: UNIT, config: NetworkConfig, seed: int = 0) -> dict[str, Tensor]:
    """Weights with which UNIT of a wider `config` computes what the narrow one does, but for rounding.

    Wide channel j is a copy of narrow channel j mod n. What reads copies shares the narrow weight among them
    in unequal parts, so that their gradients differ: equal copies would stay equal for ever.

    Args:
        narrow: E1, E2, G1, G2, trained.
        config: what `as_wide` makes of the narrow one's; of the same widths the weights stay what they are.
        seed: of the unequal parts.

    Returns:
        A state dictionary for `UNIT(config)`.
    """
    draw = torch.Generator().manual_seed(seed)
    with torch.device("meta"):
        wide = UNIT(config)
    layers = dict(narrow.named_modules())
    grown: dict[str, Tensor] = {}
    for name, layer in wide.named_modules():
        if not isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            continue
        source = layers[name]
        transposed = isinstance(layer, nn.ConvTranspose2d)
        weight = _as_read(source.weight.detach().cpu(), transposed)
        out, taken = _as_read(layer.weight, transposed).shape[:2]
        grown[f"{name}.weight"] = _as_read(_grow(weight, out, taken, draw), transposed)
        assert layer.bias is not None
        grown[f"{name}.bias"] = source.bias.detach().cpu()[torch.arange(out) % len(weight)]
    return grown


def _projects(config: NetworkConfig) -> bool:
    """Whether E's first residual block has a projection, which is a layer more."""
    return config.front[2] != config.residual_width


def _as_read(weight: Tensor, transposed: bool) -> Tensor:
    """float[out,in,k,k] of either kind of convolution; and back."""
    return weight.transpose(0, 1) if transposed else weight


def _grow(weight: Tensor, out: int, taken: int, draw: torch.Generator) -> Tensor:
    """float[out_n,in_n,k,k] → float[out,in,k,k]; its sums over an input's copies are the narrow weights."""
    narrow = weight.shape[1]
    source = torch.arange(taken) % narrow
    copies = torch.bincount(source, minlength=narrow)
    rows = weight[torch.arange(out) % len(weight)]
    parts = rows[:, source] / copies[source].view(1, -1, 1, 1)
    noise = torch.randn(parts.shape, generator=draw) * parts.std() * _SPREAD
    noise[:, copies[source] == 1] = 0
    mean = torch.zeros_like(rows).index_add_(1, source, noise) / copies.view(1, -1, 1, 1)
    return parts + noise - mean[:, source]
