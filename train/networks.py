"""UNIT's networks: Table 3 of the paper, and what the presets vary of it.

Notation is the paper's: x in X1 or X2 are images, z is the shared latent code, q(z|x) = N(E(x), I).
Images are float[N,3,H,W], RGB in [-1, 1], H and W multiples of 4; codes are float[N,C,H/4,W/4].
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm
from torch.utils.checkpoint import checkpoint

from unit_edge.config import NetworkConfig

DOMAINS = (0, 1)
"""Index of X1 and of X2 in every pair of modules."""


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a skip, which is a 1x1 projection where the width changes."""

    def __init__(self, channels_in: int, channels: int, config: NetworkConfig, dilation: int = 1) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(channels_in, channels, 3, padding=dilation, dilation=dilation)]
        if config.norm == "instance":
            layers.append(nn.InstanceNorm2d(channels))
        layers += [nn.LeakyReLU(config.negative_slope), nn.Conv2d(channels, channels, 3, padding=1)]
        if config.norm == "instance":
            layers.append(nn.InstanceNorm2d(channels))
        if config.dropout:
            layers.append(nn.Dropout(config.dropout))
        self.body = nn.Sequential(*layers)
        self.skip = nn.Identity() if channels_in == channels else nn.Conv2d(channels_in, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """float[N,C_in,H,W] → float[N,C,H,W]."""
        out: Tensor = self.skip(x) + self.body(x)
        return out


class Encoder(nn.Sequential):
    """The private part of E1 or E2: conv7/1, conv3/2, conv3/2 and the residual blocks not shared."""

    def __init__(self, config: NetworkConfig) -> None:
        first, second, third = config.front
        if config.stem == "half":
            front = [nn.Conv2d(3, second, 7, 2, padding=3)]
        else:
            front = [nn.Conv2d(3, first, 7, padding=3), nn.Conv2d(first, second, 3, 2, padding=1)]
        front.append(nn.Conv2d(second, third, 3, 2, padding=1))
        layers: list[nn.Module] = []
        for convolution in front:
            layers += [convolution, nn.LeakyReLU(config.negative_slope)]
        widths = [third] + [config.residual_width] * config.residual_blocks
        for index in range(config.residual_blocks - config.shared):
            layers.append(ResidualBlock(widths[index], widths[index + 1], config, dilation(config, index)))
        super().__init__(*layers)


class Generator(nn.Sequential):
    """The private part of G1 or G2: the residual blocks not shared, two upsamplings by 2, tanh."""

    def __init__(self, config: NetworkConfig) -> None:
        _, second, third = config.front
        width, blocks = config.residual_width, config.residual_blocks
        layers: list[nn.Module] = [
            ResidualBlock(width, width, config, dilation(config, blocks - 1 - index))
            for index in range(config.shared, blocks)
        ]
        subpixel = config.output == "subpixel"
        upsamplings = ((width, third), (third, second))
        for wide, narrow in upsamplings[:1] if subpixel else upsamplings:
            if config.upsampling == "transposed":
                layers.append(nn.ConvTranspose2d(wide, narrow, 3, 2, padding=1, output_padding=1))
            else:
                layers += [nn.Upsample(scale_factor=2), nn.Conv2d(wide, narrow, 3, padding=1)]
            layers.append(nn.LeakyReLU(config.negative_slope))
        if subpixel:
            pixels = nn.Conv2d(third, 12, config.out_kernel, padding=config.out_kernel // 2)
            layers += [pixels, nn.PixelShuffle(2)]
        elif config.out_kernel == 1:
            layers.append(nn.ConvTranspose2d(second, 3, 1))
        else:
            layers.append(nn.Conv2d(second, 3, config.out_kernel, padding=config.out_kernel // 2))
        super().__init__(*layers, nn.Tanh())


class Discriminator(nn.Module):
    """D1 or D2: conv3/2 layers and a last convolution, at one scale or several of the whole image."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.scales = nn.ModuleList(self._one_scale(config) for _ in range(config.scales))

    @staticmethod
    def _one_scale(config: NetworkConfig) -> nn.Sequential:
        kernel = config.discriminator_kernel
        layers: list[nn.Module] = []
        for narrow, wide in zip((3, *config.discriminator), config.discriminator, strict=False):
            layers += [nn.Conv2d(narrow, wide, 3, 2, padding=1), nn.LeakyReLU(config.negative_slope)]
        layers.append(
            nn.Conv2d(config.discriminator[-1], 1, kernel, padding=kernel // 2 if kernel > 2 else 0)
        )
        if config.spectral_norm:
            layers = [spectral_norm(layer) if isinstance(layer, nn.Conv2d) else layer for layer in layers]
        return nn.Sequential(*layers)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Image → logits float[N,1,h,w], one a scale (their sigmoid is the paper's D)."""
        logits = []
        for index, discriminator in enumerate(self.scales):
            if index:
                x = F.avg_pool2d(x, 2)
            logits.append(discriminator(x))
        return logits


class UNIT(nn.Module):
    """E1, E2, G1, G2. The shared layers exist once and belong to both domains.

    Attributes:
        config: the settings that it was built from.
        encoders: private parts of E1, E2; empty if the settings have no encoders.
        encoder_shared: the last layers of both.
        generator_shared: the first layers of both G1 and G2.
        generators: private parts of G1, G2.
        checkpointing: each of these parts keeps only its input for the backward pass, and is computed again.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        width, third = config.residual_width, config.front[2]
        private = config.residual_blocks - config.shared
        shared = range(config.shared)
        self.encoders = nn.ModuleList(Encoder(config) for _ in DOMAINS if config.encoders)
        self.encoder_shared = nn.Sequential(
            *(
                ResidualBlock(width if private + i else third, width, config, dilation(config, private + i))
                for i in shared
                if config.encoders
            )
        )
        self.generator_shared = nn.Sequential(
            *(
                ResidualBlock(width, width, config, dilation(config, config.residual_blocks - 1 - i))
                for i in shared
            )
        )
        self.generators = nn.ModuleList(Generator(config) for _ in DOMAINS)
        self.checkpointing = False
        initialise(self, config.init)
        if config.output == "subpixel":
            for generator in self.generators:
                _begin_even(generator)

    def encode(self, *images: Tensor) -> list[Tensor]:
        """Images of X1 and of X2 → the means of q1(z1|x1), q2(z2|x2); the shared layers run once."""
        private = [self._run(encoder, x) for encoder, x in zip(self.encoders, images, strict=True)]
        together = self._run(self.encoder_shared, torch.cat(private))
        return list(torch.split(together, [len(x) for x in images]))

    def encode_one(self, x: Tensor, domain: int) -> Tensor:
        """Images of one domain → means: E1(x) or E2(x)."""
        return self._run(self.encoder_shared, self._run(self.encoders[domain], x))

    def decode(self, z: Tensor, domain: int) -> Tensor:
        """Codes → images of one domain: G1(z) or G2(z)."""
        return self.decode_private(self.decode_shared(z), domain)

    def decode_shared(self, z: Tensor) -> Tensor:
        """Codes of either domain → what the private parts of G1 and G2 take."""
        return self._run(self.generator_shared, z)

    def decode_private(self, hidden: Tensor, domain: int) -> Tensor:
        """The private part of G1 or G2."""
        return self._run(self.generators[domain], hidden)

    def encoder(self, domain: int) -> nn.Sequential:
        """E1 or E2, whole."""
        return nn.Sequential(self.encoders[domain], self.encoder_shared)

    def generator(self, domain: int) -> nn.Sequential:
        """G1 or G2, whole."""
        return nn.Sequential(self.generator_shared, self.generators[domain])

    def _run(self, part: nn.Module, x: Tensor) -> Tensor:
        if self.checkpointing and torch.is_grad_enabled():
            out: Tensor = checkpoint(part, x, use_reentrant=False)
        else:
            out = part(x)
        return out


def _begin_even(generator: nn.Module) -> None:
    """Lets the four pixels that a sub-pixel layer gives of one place begin alike: no checkerboard."""
    pixels = [layer for layer in generator.modules() if isinstance(layer, nn.Conv2d)][-1]
    with torch.no_grad():
        pixels.weight.copy_(pixels.weight[::4].repeat_interleave(4, 0))


def dilation(config: NetworkConfig, index: int) -> int:
    """The dilation of E's residual block of an index, and of its mirror image in G."""
    return config.dilations[index] if config.dilations else 1


def initialise(module: nn.Module, how: str) -> None:
    """Weights of convolutions: N(0, 0.02) ("normal") or half of Kaiming's ("kaiming-half"); biases: 0."""
    for layer in module.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            if how == "normal":
                nn.init.normal_(layer.weight, 0.0, 0.02)
            else:
                nn.init.kaiming_normal_(layer.weight, a=0.2)
                with torch.no_grad():
                    layer.weight.mul_(0.5)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
