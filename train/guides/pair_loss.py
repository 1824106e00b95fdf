"""How far a translation is from the guide's pair of its source."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unit_edge.config import GuideConfig
from unit_edge.train.features import LEVELS, Features

REGION = 8
"""Pixels a side of the means that are compared beside the pixels."""
AROUND = 17
"""Pixels a side of the means that highlights stand out from."""


class PairLoss(nn.Module):
    """Pixels, regions and ImageNet features (a perceptual loss, Johnson et al., ECCV 2016)."""

    def __init__(self, config: GuideConfig, features: Features | None) -> None:
        super().__init__()
        self.config = config
        self._features = [features]  # in a list: its weights belong to the projection that shares it

    def forward(
        self,
        d_inputs: Tensor,
        translation: Tensor,
        target: Tensor,
        lights: bool = False,
        cover: Tensor | None = None,
    ) -> Tensor:
        """The weighted sum of all distances, a scalar.

        Args:
            d_inputs: the translation as the adversaries see it, float[N,3,H,W].
            translation: the network's own output, the same size.
            target: the other half of the pair, the same size.
            lights: whether the target's lights count more, as `guide.highlights` says.
            cover: how much of each pixel drops cover of what was translated, float[N,1,H,W] in [0, 1], or
                None; there errors count more, as `guide.covered` says.
        """
        d_inputs, translation = d_inputs.float(), translation.float()
        regions = F.l1_loss(F.avg_pool2d(d_inputs, REGION), F.avg_pool2d(target, REGION))
        errors = self._errors(d_inputs - target) + self._errors(translation - target)
        if lights and self.config.highlights > 0:
            errors = errors * light_weights(target, self.config.highlights)
        if cover is not None and self.config.covered > 0:
            errors = errors * (1 + self.config.covered * cover)
        pixels = errors.mean() + regions
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

    def _errors(self, difference: Tensor) -> Tensor:
        """Absolute errors, float[N,3,H,W], and as `colours` says what the channels do not share of them."""
        if self.config.colours == 0:
            return difference.abs()
        colour = difference - difference.mean(1, keepdim=True)
        return difference.abs() + self.config.colours * colour.abs()


def light_weights(target: Tensor, strength: float) -> Tensor:
    """What the pixels' errors count: more where the target is brighter than what is around.

    The least mean absolute error is the median of all that could be: a lamp that is on in fewer than half of
    the pictures like this one is never lit. A pixel that counts 1 + w where it is lit is lit where the chance
    for it is above 1 / (2 + w).

    Args:
        target: float[N,3,H,W] in [-1, 1].
        strength: w of a white light on black.

    Returns:
        float[N,1,H,W], 1 or more.
    """
    brightness = target.amax(1, keepdim=True)
    around = F.avg_pool2d(brightness, AROUND, 1, AROUND // 2, count_include_pad=False)
    return 1 + strength / 2 * F.relu(brightness - around)
