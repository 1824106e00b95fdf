"""The `[network]` table: the networks' shapes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from unit_edge.errors import require


@dataclass(frozen=True)
class NetworkConfig:
    """E1, E2, G1, G2, D1, D2. The defaults are the paper's Table 3 as printed."""

    front: tuple[int, ...] = (64, 128, 256)
    """Channels of the encoder's conv7/1, conv3/2, conv3/2; the generator mirrors them."""
    residual_width: int = 512
    """Channels of the residual blocks."""
    residual_blocks: int = 4
    """Residual blocks of one encoder, and of one generator."""
    shared: int = 1
    """How many of them, the last of E and the first of G, both domains share (0-4)."""
    encoders: bool = True
    """false: no E1, E2; codes are drawn from N(0, I), which leaves CoGAN (Table 1: {G1, G2, D1, D2})."""
    variational: bool = True
    """z is drawn from N(E(x), I) in training; false: z = E(x), and the KL weights must be 0."""
    norm: Literal["none", "instance"] = "none"
    """Normalisation in the residual blocks (instance: without affine parameters)."""
    negative_slope: float = 0.01
    """Slope below zero of every LeakyReLU."""
    dropout: float = 0.0
    """Probability in the residual blocks, in training only."""
    upsampling: Literal["transposed", "nearest"] = "transposed"
    """Transposed convolution (paper), or nearest neighbour and convolution (no checkerboard)."""
    out_kernel: int = 1
    """Kernel of the generator's last layer (paper: 1)."""
    stem: Literal["full", "half"] = "full"
    """conv7/1 and conv3/2 (paper), or one conv7/2 in place of both, which leaves front[0] unused."""
    output: Literal["full", "subpixel"] = "full"
    """The last upsampling and layer at full size (paper), or a convolution at half size whose 12 channels
    are the output's pixels (Shi et al., CVPR 2016); `out_kernel` is then its kernel."""
    dilations: tuple[int, ...] = ()
    """Dilations of the first convolution of each residual block of E, reversed those of G's; empty: all 1."""
    init: Literal["normal", "kaiming-half"] = "normal"
    """N(0, 0.02), or Kaiming at half its scale."""
    discriminator: tuple[int, ...] = (64, 128, 256, 512, 1024)
    """Channels of the discriminator's conv3/2 layers; a last convolution gives the logits (depth 3-6)."""
    discriminator_kernel: int = 2
    """Kernel of the discriminator's last convolution (paper: 2)."""
    scales: int = 1
    """Discriminators a domain, each on an image of half the size of the one before."""
    spectral_norm: bool = False
    """Spectral normalisation in the discriminators."""
    feature_discriminator: Literal["none", "efficientnet-lite1"] = "none"
    """A second discriminator a domain on frozen ImageNet features (Projected GAN, Sauer et al. 2021)."""

    def __post_init__(self) -> None:
        require(len(self.front) == 3, "network.front", self.front, "three channel counts")
        require(min(*self.front, self.residual_width) > 0, "network.front", self.front, "positive numbers")
        require(self.residual_blocks >= 1, "network.residual_blocks", self.residual_blocks, "1 or more")
        require(
            0 <= self.shared <= min(4, self.residual_blocks),
            "network.shared",
            self.shared,
            f"0 to {min(4, self.residual_blocks)}, as there are {self.residual_blocks} residual blocks",
        )
        require(
            3 <= len(self.discriminator) <= 6, "network.discriminator", self.discriminator, "3 to 6 layers"
        )
        require(min(self.discriminator) > 0, "network.discriminator", self.discriminator, "positive numbers")
        kernel = self.discriminator_kernel
        require(kernel >= 1, "network.discriminator_kernel", kernel, "1 or more")
        require(1 <= self.scales <= 4, "network.scales", self.scales, "1 to 4")
        require(
            self.out_kernel > 0 and self.out_kernel % 2 == 1,
            "network.out_kernel",
            self.out_kernel,
            "an odd number",
        )
        require(0 <= self.dropout < 1, "network.dropout", self.dropout, "0 or more, below 1")
        require(
            not self.dilations or (len(self.dilations) == self.residual_blocks and min(self.dilations) > 0),
            "network.dilations",
            self.dilations,
            f"none, or one above 0 for each of the {self.residual_blocks} residual blocks",
        )

    def logits_size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of the coarsest discriminator's logits; not positive if the image is too small."""
        sides = []
        for side in (width, height):
            side //= 2 ** (self.scales - 1)
            for _ in self.discriminator:
                side = (side + 1) // 2
            sides.append(side - (self.discriminator_kernel == 2))
        return sides[0], sides[1]
