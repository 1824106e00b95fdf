"""E1→G2 or E2→G1 as one inference module: a camera's frame in, the translated frame out.

z is the encoder's mean: no noise is drawn and no dropout is left. Scaling, layout, rounding and the
swap of blue and red are part of the module, so that nothing is left to do around the exported graph.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unit_edge.config import Detail
from unit_edge.frames import OVERSAMPLING, shrunk_size
from unit_edge.train.guided import GuidedHead, with_margin
from unit_edge.train.networks import UNIT


class Translator(nn.Module):
    """Translates frames of one domain into the other.

    Args:
        unit: trained E1, E2, G1, G2; it is copied, not changed.
        source: index of the domain that the frames are from; the other one is the target.
        guided: settings of the guided head, and the short side, a multiple of 4, of the shrunk frame
            that E and G see; None for no head, then E and G see the frame itself.
    """

    def __init__(self, unit: UNIT, source: int, guided: tuple[Detail, int] | None) -> None:
        super().__init__()
        self.encoder = _for_inference(unit.encoder(source))
        self.generator = _for_inference(unit.generator(1 - source))
        _swap_input(_convolutions(self.encoder)[0])
        _swap_output(_convolutions(self.generator)[-1])
        self.head = None if guided is None else GuidedHead(guided[0], bgr=True)
        self.shrink = None if guided is None else Shrink(guided[1])
        self.dtype = torch.float32
        self.eval().requires_grad_(False)

    def forward(self, frame: Tensor) -> Tensor:
        """Translates frames.

        Args:
            frame: uint8[N,H,W,3], BGR. Without a head, H and W are multiples of 4.

        Returns:
            uint8[N,H,W,3], BGR.
        """
        # TensorRT's parser takes this order of cast and permute, and its mirror image at the end, only
        x = frame.to(torch.float32).permute(0, 3, 1, 2)
        if self.head is None or self.shrink is None:
            y = (self.translate(x / 127.5 - 1) + 1) * 127.5
        else:
            small = self.shrink(x)
            y = self.head(x, small, self.translate(small))
        return y.round().clamp(0, 255).permute(0, 2, 3, 1).to(torch.uint8)

    def translate(self, x: Tensor) -> Tensor:
        """G(E(x)): float[N,3,h,w], BGR in [-1, 1] → the same of the other domain."""
        margin = 0 if self.head is None else self.head.settings.margin
        out = with_margin(lambda seen: self.generator(self.encoder(seen)), x.to(self.dtype), margin)
        return out.to(torch.float32)


class Shrink(nn.Module):
    """Shrinks a frame to a short side, keeping its aspect ratio to the nearest multiple of 4.

    Bilinear to OVERSAMPLING times the size, then the mean of each OVERSAMPLING² samples, which every
    backend has, unlike Resize's antialias attribute. The mean, the scale and the offset are one
    convolution with diagonal weights: half the time of AveragePool in ONNX Runtime.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, short_side: int) -> None:
        super().__init__()
        self.short_side = short_side
        k = OVERSAMPLING
        diagonal = torch.eye(3)[:, :, None, None].expand(3, 3, k, k)
        self.register_buffer("weight", diagonal / (k * k * 127.5), persistent=False)
        self.register_buffer("bias", -torch.ones(3), persistent=False)

    def forward(self, frame: Tensor) -> Tensor:
        """float[N,3,H,W] in [0, 255] → float[N,3,h,w] in [-1, 1]."""
        h, w = small_size(frame.shape[2], frame.shape[3], self.short_side)
        size = (h * OVERSAMPLING, w * OVERSAMPLING)
        samples = F.interpolate(frame, size, mode="bilinear", align_corners=False)
        return F.conv2d(samples, self.weight, self.bias, stride=OVERSAMPLING)


def small_size(height: int, width: int, short_side: int) -> tuple[int, int]:
    """Height and width, multiples of 4, of a frame shrunk to a short side; sizes may be symbolic."""
    shortest = torch.sym_min(height, width)  # type: ignore[no-untyped-call]
    return shrunk_size(height, width, shortest, short_side)


def _for_inference(network: nn.Sequential) -> nn.Sequential:
    network = copy.deepcopy(network)
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Dropout):
                setattr(parent, name, nn.Identity())
    return network


def _convolutions(network: nn.Module) -> list[nn.Conv2d | nn.ConvTranspose2d]:
    return [layer for layer in network.modules() if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d))]


def _swap_input(layer: nn.Conv2d | nn.ConvTranspose2d) -> None:
    axis = 0 if isinstance(layer, nn.ConvTranspose2d) else 1
    layer.weight = nn.Parameter(layer.weight.detach().flip(axis))


def _swap_output(layer: nn.Conv2d | nn.ConvTranspose2d) -> None:
    axis = 1 if isinstance(layer, nn.ConvTranspose2d) else 0
    layer.weight = nn.Parameter(_colours_reversed(layer.weight.detach(), axis))
    if layer.bias is not None:
        layer.bias = nn.Parameter(_colours_reversed(layer.bias.detach(), 0))


def _colours_reversed(weights: Tensor, axis: int) -> Tensor:
    """RGB ↔ BGR along an axis; a sub-pixel layer has several channels a colour, whose order stays."""
    shape = weights.shape
    return weights.reshape(*shape[:axis], 3, -1, *shape[axis + 1 :]).flip(axis).reshape(shape)
