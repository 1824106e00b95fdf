"""A discriminator on frozen ImageNet features, after Projected GAN (Sauer et al., NeurIPS 2021).

It is not part of the paper's UNIT. It sees at once whether a scene looks like night or snow, where
a discriminator on pixels needs far more steps than a CPU can give.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from unit_edge.train.draw import Draw
from unit_edge.train.features import LEVELS, Features

CHANNELS = 64


class Projection(nn.Module):
    """Features mixed across channels, then across scales, by fixed random convolutions (section 3.2)."""

    def __init__(self, features: Features) -> None:
        super().__init__()
        self.features = features
        self.channels = nn.ModuleList(nn.Conv2d(width, CHANNELS, 1, bias=False) for width, _ in LEVELS)
        self.scales = nn.ModuleList(
            nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, bias=False) for _ in LEVELS[1:]
        )
        for layer in [*self.channels, *self.scales]:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
        self.requires_grad_(False)

    def forward(self, x: Tensor) -> list[Tensor]:
        """float[N,3,H,W] in [-1, 1] → four float[N,64,h,w], finest first."""
        levels = self.features.levels(x)
        mixed = [
            project(level / rms)
            for project, level, (_, rms) in zip(self.channels, levels, LEVELS, strict=True)
        ]
        for index in range(len(mixed) - 2, -1, -1):
            deeper = self.scales[index](mixed[index + 1])
            deeper = F.interpolate(deeper, mixed[index].shape[2:], mode="bilinear", align_corners=False)
            mixed[index] = (mixed[index] + deeper) * 0.5**0.5
        return mixed


class FeatureDiscriminator(nn.Module):
    """One domain's trainable heads, one a level; they share the projection."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = nn.ModuleList(self._head(stride=2 if level < 2 else 1) for level in range(len(LEVELS)))

    @staticmethod
    def _head(stride: int) -> nn.Sequential:
        return nn.Sequential(
            spectral_norm(nn.Conv2d(CHANNELS, CHANNELS, 3, stride, padding=1)),
            nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)),
            nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(CHANNELS, 1, 1)),
        )

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        """Projected levels → logits, one map a level."""
        return [head(level) for head, level in zip(self.heads, levels, strict=True)]


def shift(x: Tensor, draw: Draw) -> Tensor:
    """Moves each image by up to an eighth, mirroring at the border, so that D can't learn images by heart."""
    reach_y, reach_x = x.shape[2] // 8, x.shape[3] // 8
    padded = F.pad(x, (reach_x, reach_x, reach_y, reach_y), mode="reflect")
    top, left = draw.integers(2 * reach_y + 1), draw.integers(2 * reach_x + 1)
    return torch.stack(
        [
            image[:, t : t + x.shape[2], s : s + x.shape[3]]
            for image, t, s in zip(padded, top, left, strict=True)
        ]
    )
