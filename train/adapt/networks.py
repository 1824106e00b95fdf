"""The networks of domain adaptation: Table 4 (E1, E2, G1, G2), and Tables 5 and 6 (D1, D2).

Notation is the paper's: x in X1 (source) or X2 (target) are images float[N,C,32,32] in [-1, 1], C being 1
or 3; z is the shared latent code, float[N,16w,1,1]. What the tables leave open is as in the released code:
32x32 pixels, padding 2 of the 5x5 convolutions of E and of Table 5, no padding of E's 8x8 one.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unit_edge.config.adapt import CLASSES, SIDE, DigitNetworkConfig
from unit_edge.train.networks import DOMAINS, initialise


class DigitUNIT(nn.Module):
    """E1, E2, G1, G2 of Table 4.

    Attributes:
        encoders: the private first layers of E1, E2.
        encoder_shared: the other layers of both.
        generator_shared: the first three layers of G1 and G2.
        generators: their private last two.
        coordinates: x and y of every pixel, float[1,2,32,32], if the encoders see them; else empty.
    """

    coordinates: Tensor

    def __init__(self, config: DigitNetworkConfig) -> None:
        super().__init__()
        w, slope = config.width, config.negative_slope
        channels = config.channels + (2 if config.coordinates else 0)
        self.encoders = nn.ModuleList(_layer(nn.Conv2d(channels, w, 5, 2, padding=2), slope) for _ in DOMAINS)
        self.encoder_shared = nn.Sequential(
            _layer(nn.Conv2d(w, 2 * w, 5, 2, padding=2), slope),
            _layer(nn.Conv2d(2 * w, 4 * w, 8), slope),
            _layer(nn.Conv2d(4 * w, 8 * w, 1), slope),
            nn.Conv2d(8 * w, 16 * w, 1),
        )
        self.generator_shared = nn.Sequential(
            # of a single pixel, 4x4 with stride 2 or 1 gives the same 4x4
            _layer(nn.ConvTranspose2d(16 * w, 8 * w, 4, 2), slope),
            _layer(nn.ConvTranspose2d(8 * w, 4 * w, 4, 2, padding=1), slope),
            _layer(nn.ConvTranspose2d(4 * w, 2 * w, 4, 2, padding=1), slope),
        )
        self.generators = nn.ModuleList(
            nn.Sequential(
                _layer(nn.ConvTranspose2d(2 * w, w, 4, 2, padding=1), slope),
                nn.ConvTranspose2d(w, config.channels, 1),
                nn.Tanh(),
            )
            for _ in DOMAINS
        )
        places = xy_channels() if config.coordinates else torch.zeros(1, 0, SIDE, SIDE)
        self.register_buffer("coordinates", places, persistent=False)
        initialise(self, config.init)

    def encode(self, *images: Tensor) -> Tensor:
        """Images of X1 and of X2 → the means of q(z|x), of X1's first; the shared layers run once."""
        private = [self.encoders[domain](self.placed(x)) for domain, x in enumerate(images)]
        means: Tensor = self.encoder_shared(torch.cat(private))
        return means

    def decode(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Codes → the pair of images that they stand for: G1(z), G2(z)."""
        hidden = self.generator_shared(z)
        return self.generators[0](hidden), self.generators[1](hidden)

    def translator(self, source: int) -> nn.Sequential:
        """E1 and G2, or E2 and G1, from an image with its coordinates (`placed`) to an image."""
        return nn.Sequential(
            self.encoders[source], self.encoder_shared, self.generator_shared, self.generators[1 - source]
        )

    def translate(self, x: Tensor, source: int) -> Tensor:
        """G2(E1(x)), or G1(E2(x)), z being the mean."""
        y: Tensor = self.translator(source)(self.placed(x))
        return y

    def placed(self, x: Tensor) -> Tensor:
        """An image with its coordinates, if the encoders see them."""
        if not self.coordinates.shape[1]:
            return x
        return torch.cat([x, self.coordinates.expand(len(x), -1, -1, -1)], 1)


class DigitDiscriminator(nn.Module):
    """D1 and D2, tied but for their first layers, with a head for real or made, and one for the class.

    Attributes:
        first: the private layers.
        shared: the others, each followed by its dropout.
        dropouts: probabilities after the first and after each shared layer.
        real: the logit of an image being a real one.
        digit: the logits of its class.
    """

    def __init__(self, config: DigitNetworkConfig) -> None:
        super().__init__()
        if config.discriminator == "table-5":
            w, slope = config.width, config.negative_slope
            widths = (config.channels, w, 2 * w, 4 * w, 8 * w)
            layers = [_pooled(a, b, 2, nn.LeakyReLU(slope)) for a, b in pairwise(widths[1:])]
            self.first = nn.ModuleList(_pooled(widths[0], w, 2, nn.LeakyReLU(slope)) for _ in DOMAINS)
            self.dropouts: tuple[float, ...] = (0.1, 0.3, 0.5, 0.5)
            features = 8 * w * (SIDE // 16) ** 2
        else:
            side = ((SIDE - 4) // 2 - 4) // 2
            self.first = nn.ModuleList(_pooled(config.channels, 20, 0) for _ in DOMAINS)
            dense = nn.Sequential(nn.Flatten(), nn.Linear(50 * side**2, 500), nn.ReLU())
            layers = [_pooled(20, 50, 0), dense]
            self.dropouts = (0.0, 0.0, 0.5)
            features = 500
        self.shared = nn.ModuleList(layers)
        self.real = nn.Linear(features, 1)
        self.digit = nn.Linear(features, CLASSES)
        for layer in self.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                nn.init.xavier_normal_(layer.weight)
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)

    def features(self, images: dict[int, Tensor], dropout: bool = True) -> Tensor:
        """Images → the highest features, float[N,F].

        Args:
            images: of domain 0, 1 or both, which go through the shared layers together, 0's first.
            dropout: in training mode, whether the dropout before the highest features takes part.
        """
        x = torch.cat([self.first[domain](images[domain]) for domain in sorted(images)])
        for layer, probability in zip(self.shared, self.dropouts, strict=False):
            x = layer(F.dropout(x, probability, self.training and dropout))
        return x.flatten(1)

    def heads(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Highest features → logits of being real float[N], and of the classes float[N,10]."""
        x = F.dropout(features, self.dropouts[-1], self.training)
        return self.real(x).flatten(), self.digit(x)

    def classify(self, x: Tensor, domain: int) -> Tensor:
        """Images of one domain → logits of the classes, float[N,10]."""
        return self.heads(self.features({domain: x}))[1]

    @property
    def noisy_inside(self) -> bool:
        """Whether dropout also stands before the highest features."""
        return any(self.dropouts[:-1])


class Adaptation(nn.Module):
    """All networks of an adaptation; their moving average is what is kept.

    Attributes:
        config: the settings that they were built from.
        unit: E1, E2, G1, G2.
        discriminator: D1, D2.
    """

    def __init__(self, config: DigitNetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.unit = DigitUNIT(config)
        self.discriminator = DigitDiscriminator(config)

    def halves(self) -> list[tuple[nn.Module, nn.Module]]:
        """The private parts of E, G and D: X1's and X2's."""
        return [
            (parts[0], parts[1])
            for parts in (self.unit.encoders, self.unit.generators, self.discriminator.first)
        ]

    def tie(self) -> None:
        """Makes X2's private parts equal to X1's."""
        for one, other in self.halves():
            other.load_state_dict(one.state_dict())

    def copy_estimates(self) -> None:
        """Gives BatchNorm of X2's private parts the running estimates of X1's."""
        for one, other in self.halves():
            for mine, theirs in zip(one.buffers(), other.buffers(), strict=True):
                theirs.copy_(mine)


def xy_channels() -> Tensor:
    """x and y of each pixel's centre, float[1,2,32,32] in [-1, 1]."""
    line = (torch.arange(SIDE) + 0.5) * (2 / SIDE) - 1
    return torch.stack([line.expand(SIDE, SIDE), line[:, None].expand(SIDE, SIDE)])[None]


def _layer(convolution: nn.Conv2d | nn.ConvTranspose2d, slope: float) -> nn.Sequential:
    return nn.Sequential(convolution, nn.BatchNorm2d(convolution.out_channels), nn.LeakyReLU(slope))


def _pooled(channels_in: int, channels: int, padding: int, *after: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels_in, channels, 5, padding=padding), nn.MaxPool2d(2), *after)
