"""How far a translation is from the guide's pair of its source."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unit_edge.config import GuideConfig
from unit_edge.train.features import LEVELS, Features

REGION = 8
"""Pixels a side of the means that are compared beside the pixels."""


class PairLoss(nn.Module):
    """Pixels, regions and ImageNet features (a perceptual loss, Johnson et al., ECCV 2016)."""

    def __init__(self, config: GuideConfig, features: Features | None) -> None:
        super().__init__()
        self.config = config
        self._features = [features]  # in a list: its weights belong to the projection that shares it

    def forward(self, d_inputs: Tensor, translation: Tensor, target: Tensor) -> Tensor:
        """The weighted sum of all distances, a scalar.

        Args:
            d_inputs: the translation as the adversaries see it, float[N,3,H,W].
            translation: the network's own output, the same size.
            target: the other half of the pair, the same size.
        """
        d_inputs, translation = d_inputs.float(), translation.float()
        regions = F.l1_loss(F.avg_pool2d(d_inputs, REGION), F.avg_pool2d(target, REGION))
        pixels = F.l1_loss(d_inputs, target) + F.l1_loss(translation, target) + regions
        total = self.config.pixels * pixels
        (features,) = self._features
        if features is not None and self.config.features > 0:
            with torch.no_grad():
                wanted = features.levels(target)
            distances = [
                F.l1_loss(level.float(), goal.float()) / rms
                for level, goal, (_, rms) in zip(features.levels(d_inputs), wanted, LEVELS, strict=True)
            ]
            total = total + self.config.features * torch.stack(distances).sum()
        return total
