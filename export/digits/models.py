"""Digit translators and the adapted classifier as inference modules: a uint8 image in, as for frames.

Scaling, layout, the way from BGR to what the networks see and back are part of the graph.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unit_edge.train.adapt.networks import Adaptation

_GREY_OF_BGR = (0.114, 0.587, 0.299)
"""ITU-R BT.601, as OpenCV's."""


class _FromFrames(nn.Module):
    """uint8[N,32,32,3], BGR → float[N,C,32,32], grey or RGB in [-1, 1]: one 1x1 convolution."""

    weight: Tensor
    bias: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        matrix = torch.tensor([_GREY_OF_BGR]) if channels == 1 else torch.eye(3).flip(0)
        self.register_buffer("weight", matrix[:, :, None, None] / 127.5, persistent=False)
        self.register_buffer("bias", -torch.ones(channels), persistent=False)

    def forward(self, frame: Tensor) -> Tensor:
        return F.conv2d(frame.to(torch.float32).permute(0, 3, 1, 2), self.weight, self.bias)


class DigitTranslator(nn.Module):
    """E1 and G2, or E2 and G1, of an adaptation; z is the mean."""

    weight: Tensor
    bias: Tensor

    def __init__(self, nets: Adaptation, source: int) -> None:
        super().__init__()
        channels = nets.config.channels
        self.see = _FromFrames(channels)
        self.unit, self.source = copy.deepcopy(nets.unit), source
        matrix = torch.ones(3, 1) if channels == 1 else torch.eye(3).flip(0)
        self.register_buffer("weight", matrix[:, :, None, None] * 127.5, persistent=False)
        self.register_buffer("bias", torch.full((3,), 127.5), persistent=False)
        self.eval().requires_grad_(False)

    def forward(self, frame: Tensor) -> Tensor:
        """uint8[N,32,32,3], BGR → the same of the other domain."""
        y = F.conv2d(self.unit.translate(self.see(frame), self.source), self.weight, self.bias)
        return y.round().clamp(0, 255).permute(0, 2, 3, 1).to(torch.uint8)


class DigitClassifier(nn.Module):
    """D1's or D2's class head."""

    def __init__(self, nets: Adaptation, domain: int) -> None:
        super().__init__()
        self.see = _FromFrames(nets.config.channels)
        self.discriminator, self.domain = copy.deepcopy(nets.discriminator), domain
        self.eval().requires_grad_(False)

    def forward(self, frame: Tensor) -> Tensor:
        """uint8[N,32,32,3], BGR → probabilities of the digits 0 to 9, float[N,10]."""
        return torch.softmax(self.discriminator.classify(self.see(frame), self.domain), 1)
