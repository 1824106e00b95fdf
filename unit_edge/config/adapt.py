"""The settings of `unit-edge adapt`: frozen dataclasses that reject contradictions when they are made.

Adam, speed and log are those of training.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Literal

from unit_edge.config.log import LogConfig
from unit_edge.config.optim import OptimConfig
from unit_edge.config.speed import SpeedConfig
from unit_edge.errors import require

CLASSES = 10
"""The digits 0 to 9."""
SIDE = 32
"""Width and height in pixels of what the networks see, as in the released code."""


@dataclass(frozen=True)
class DigitsConfig:
    """A domain of digits."""

    name: str = ""
    """What `--to` calls it: "usps"."""
    train: tuple[str, ...] = ()
    """Relative to the data root: .npz files (x, y), SVHN's .mat files, or folders with a folder a class;
    of the target also .npz files without y, or folders of images."""
    test: tuple[str, ...] = ()
    """The same with labels, for the accuracy at the end; training never uses it."""
    inverted: bool = False
    """Every training image is also there with black and white swapped (MNIST, for SVHN to MNIST)."""
    zoom: float = 1.0
    """Training images are so many times as large, about their middle: MNIST's digits take 20 of 28 pixels,
    USPS's the whole frame."""

    def __post_init__(self) -> None:
        name = self.name.replace("-", "").replace("_", "")
        require(name.isalnum(), "name of a domain", self.name, "letters and digits")
        require(len(self.train) > 0, f"domain {self.name}: train", self.train, "one file or more")
        require(0.5 <= self.zoom <= 2, f"domain {self.name}: zoom", self.zoom, "0.5 to 2")


@dataclass(frozen=True)
class DigitNetworkConfig:
    """The preset `digits`: Table 4 for E1, E2, G1, G2, and Table 5 or 6 for D1, D2."""

    width: int = 64
    """Channels of the encoder's first layer; the others are 2, 4, 8 and 16 times as many (Table 4: 64)."""
    channels: int = 1
    """Channels of an image: 1 is grey, 3 are colours."""
    coordinates: bool = False
    """The encoders also see each pixel's x and y in [-1, 1] (the paper's five channels for SVHN)."""
    discriminator: Literal["table-5", "table-6"] = "table-6"
    """Table 5, for SVHN to MNIST, or the smaller Table 6, for MNIST and USPS."""
    negative_slope: float = 0.01
    """Slope below zero of every LeakyReLU."""
    init: Literal["normal", "kaiming-half"] = "normal"
    """How E and G begin: N(0, 0.02) (released code), or Kaiming at half its scale, which starts faster."""

    def __post_init__(self) -> None:
        require(self.width > 0, "network.width", self.width, "1 or more")
        require(self.channels in (1, 3), "network.channels", self.channels, "1 or 3")


@dataclass(frozen=True)
class AdaptLossConfig:
    """Weights of the terms. All of them are means over their elements, see train/adapt/losses.py."""

    gan: float = 1.0
    """The adversarial terms of the translations."""
    kl: float = 0.1
    """KL(q(z|x) || N(0, I)), an element."""
    reconstruction: float = 10.0
    """L1 reconstruction."""
    classification: float = 1.0
    """Cross-entropy of D1's class head on images of the source."""
    features: float = 1.0
    """L1 between D1's and D2's highest features of the two images generated from one code."""
    translated: float = 0.0
    """Cross-entropy of D2's class head on translated images of the source, which D2 learns from and E, G
    are held to (Bousmalis et al. 2017). Not in the paper."""
    consistency: float = 0.0
    """Cross-entropy of D2's class head on changed images of the target, with what the moving average
    says of the unchanged ones for labels (French et al. 2018, Sohn et al. 2020). Not in the paper."""
    confidence: float = 0.95
    """Probability below which the moving average's class is no label."""
    balance: bool = False
    """The moving average's probabilities are first divided by their running mean, so that no digit is decided
    for more often than another (Berthelot et al. 2020, with equal shares). Not in the paper."""
    consistency_from: float = 0.2
    """The share of the steps before the consistency term begins."""

    def __post_init__(self) -> None:
        for item in dataclasses.fields(self):
            value = getattr(self, item.name)
            require(value >= 0, f"loss.{item.name}", value, "0 or more")
        require(self.classification > 0, "loss.classification", self.classification, "above 0")
        require(self.confidence < 1, "loss.confidence", self.confidence, "below 1")
        require(self.consistency_from <= 1, "loss.consistency_from", self.consistency_from, "0 to 1")
        require(
            self.adapts or self.features == self.translated == self.consistency == 0,
            "loss.gan",
            self.gan,
            "above 0, as loss.features, loss.translated or loss.consistency is",
        )

    @property
    def adapts(self) -> bool:
        """Whether anything looks at the target; without, E and G are not trained and the classifier is D1."""
        return self.gan > 0


@dataclass(frozen=True)
class AugmentConfig:
    """Every training image is turned, scaled, sheared, moved, bent and blurred at random, by at most this."""

    turn_deg: float = 0.0
    scale: float = 1.0
    """Width and height are drawn alike between 1/scale and scale times the image's own."""
    aspect: float = 1.0
    """Width over height is drawn between 1/aspect and aspect times the image's own."""
    shear: float = 0.0
    """Columns a row."""
    shift_px: float = 0.0
    """In pixels of the 32x32 image."""
    elastic_px: float = 0.0
    """Points 8 pixels apart also move on their own, and what is between them follows (Simard et al. 2003)."""
    blur: float = 0.0
    """The share of the image at half its resolution that is mixed in: what 16x16 pixels still show, at 1."""

    def __post_init__(self) -> None:
        require(0 <= self.turn_deg <= 45, "augment.turn_deg", self.turn_deg, "0 to 45")
        require(1 <= self.scale <= 2, "augment.scale", self.scale, "1 to 2")
        require(1 <= self.aspect <= 2, "augment.aspect", self.aspect, "1 to 2")
        require(0 <= self.shear <= 1, "augment.shear", self.shear, "0 to 1")
        require(0 <= self.shift_px <= SIDE / 2, "augment.shift_px", self.shift_px, f"0 to {SIDE // 2}")
        require(0 <= self.elastic_px <= 8, "augment.elastic_px", self.elastic_px, "0 to 8")
        require(0 <= self.blur <= 1, "augment.blur", self.blur, "0 to 1")

    @property
    def changes(self) -> bool:
        """Whether images are changed at all."""
        return self != AugmentConfig()


@dataclass(frozen=True)
class AdaptConfig:
    """Everything that decides what an adaptation computes."""

    source: DigitsConfig
    """Its labels are used."""
    target: DigitsConfig
    """Its labels are not; of its test set they are, for the accuracy at the end."""
    preset: Literal["digits"] = "digits"
    network: DigitNetworkConfig = field(default_factory=DigitNetworkConfig)
    loss: AdaptLossConfig = field(default_factory=AdaptLossConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    optim: OptimConfig = field(
        default_factory=lambda: OptimConfig(steps=20_000, batch=64, lr=2e-4, weight_decay=5e-4)
    )
    speed: SpeedConfig = field(default_factory=SpeedConfig)
    log: LogConfig = field(default_factory=LogConfig)
    """`evaluate_every`: what can be said of the classifier without labels (train/adapt/evaluate.py)."""

    def __post_init__(self) -> None:
        require(
            self.source.name != self.target.name, "target.name", self.target.name, "another than source's"
        )
        warmup = self.optim.warmup_steps
        require(warmup < self.optim.steps, "optim.warmup_steps", warmup, "fewer than optim.steps")
        require(self.speed.precision != "fp16", "speed.precision", "fp16", "fp32 or bf16 in adapt")
        for name, value in (("compile", False), ("checkpointing", False), ("accumulate", 1)):
            given = getattr(self.speed, name)
            require(given == value, f"speed.{name}", given, f"{value} in adapt")

    @property
    def domains(self) -> tuple[DigitsConfig, DigitsConfig]:
        """X1, the source, and X2, the target."""
        return self.source, self.target


def source_only(config: AdaptConfig) -> AdaptConfig:
    """The same without every term that looks at the target: what an unadapted classifier reaches."""
    loss = dataclasses.replace(config.loss, gan=0.0, features=0.0, translated=0.0, consistency=0.0)
    return dataclasses.replace(config, loss=loss)
