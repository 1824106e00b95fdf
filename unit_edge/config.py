"""A training run's settings: frozen dataclasses that reject contradictions when they are made.

unit_edge/settings.py reads them from TOML and JSON.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

from unit_edge.contradictions import refuse_contradictions
from unit_edge.errors import require

STEPS_AT_MOST = 100_000_000
"""Of any count of steps: months, at ten a second."""
_LEAST_CROP = 8  # a quarter of it is what the residual blocks normalise


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
    """Of every LeakyReLU."""
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
    """Of the first convolution of each residual block of E, in reverse order of G's; empty: 1 everywhere."""
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
    critic: Literal["none", "efficientnet-lite1"] = "none"
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


@dataclass(frozen=True)
class LossConfig:
    """The weights of equations 3-8. All terms are means over their elements, see train/losses.py."""

    gan: float = 10.0
    """λ0, of the adversarial terms."""
    kl: float = 0.1
    """λ1, of KL(q(z|x) || N(0, I)) in the VAE terms."""
    reconstruction: float = 100.0
    """λ2, of -log p(x|z), the L1 reconstruction."""
    cycle_kl: float = 0.1
    """λ3, of the KL terms in the cycles."""
    cycle: float = 100.0
    """λ4, of the L1 cycle reconstruction."""
    gan_loss: Literal["bce", "least_squares"] = "bce"
    """Binary cross-entropy (paper), or least squares."""
    r1: float = 0.0
    """Weight γ of the R1 penalty γ/2 |∇D(x)|² on real images (Mescheder et al. 2018)."""
    critic: float = 0.0
    """Weight of the critic on ImageNet features, if network.critic names one."""
    steady: float = 0.0
    """Weight of the difference between a moved translation and the translation of the moved image."""
    adversaries_from: int = 0
    """Steps before which there are no adversarial terms: the rest finds the way first."""
    vae_every: int = 1
    """Steps from one that has the VAE, cycle and steadiness terms to the next; these weigh so much more
    (lazy regularisation, Karras et al., CVPR 2020)."""
    judged: Literal["translation", "guided"] = "translation"
    """What the adversaries see of a translation: the network's output (paper), or what the exported
    model's guided head makes of it."""

    def __post_init__(self) -> None:
        for item in dataclasses.fields(self):
            value = getattr(self, item.name)
            if isinstance(value, float):
                require(value >= 0, f"loss.{item.name}", value, "0 or more")
        require(self.adversaries_from >= 0, "loss.adversaries_from", self.adversaries_from, "0 or more")
        require(self.vae_every >= 1, "loss.vae_every", self.vae_every, "1 or more")


@dataclass(frozen=True)
class GuideConfig:
    """Pairs that a renderer makes of domain 1's images: an addition to the paper (train/guides/).

    E1→G2 learns x → guide(x), and E2→G1 learns guide(x) → x, whose target is a real image.
    """

    name: Literal["none", "night", "rain", "snow", "fog"] = "none"
    """What domain 1's images are rendered as; it should look like domain 2."""
    segmenter: str = ""
    """ONNX network of Cityscapes' classes, relative to the data root."""
    weight: float = 1.0
    """Of the guide's terms at the first step."""
    until: float = 0.5
    """Share of the steps over which the weight falls linearly to the floor."""
    floor: float = 0.35
    """Of the guide's terms from then on."""
    pixels: float = 6.0
    """Weight of the mean absolute error: of the translation, of what the head makes of it, and of the
    latter's means over 8x8 pixels."""
    features: float = 2.0
    """Weight of the distance in ImageNet features (network.critic), each level over its own scale."""

    def __post_init__(self) -> None:
        for name in ("weight", "floor", "pixels", "features"):
            require(getattr(self, name) >= 0, f"guide.{name}", getattr(self, name), "0 or more")
        require(0 <= self.until <= 1, "guide.until", self.until, "0 to 1")
        if self.name != "none":
            require(bool(self.segmenter), "guide.segmenter", self.segmenter, "the path of an ONNX network")

    def weight_at(self, step: int, steps: int) -> float:
        """The weight of the guide's terms at a step, 0 without a guide."""
        if self.name == "none":
            return 0.0
        left = 1 - step / (self.until * steps) if self.until > 0 else 0.0
        return self.floor + (self.weight - self.floor) * max(0.0, left)


@dataclass(frozen=True)
class DomainConfig:
    """One of the two image domains."""

    name: str = ""
    """What `--to` calls it: "day"."""
    paths: tuple[str, ...] = ()
    """Relative to the data root: folders (searched recursively), images, videos, or .txt lists of these,
    one path a line, relative to the list's folder."""
    held_out: tuple[str, ...] = ()
    """Paths of the images that training never sees; without any, a share of `paths` (data.validation) is."""
    table: str = ""
    """A CSV file or CelebA's list_attr_celeba.txt: a row an image, a column an attribute, 1 or -1 (or 0)."""
    attribute: str = ""
    """Column of the table: only images that have it belong to the domain."""
    without: bool = False
    """Only images that do not have the attribute belong to the domain."""
    half: Literal["", "left", "right"] = ""
    """The half of each image that belongs to the domain, for pairs glued side by side."""

    def __post_init__(self) -> None:
        require(
            self.name.replace("-", "").replace("_", "").isalnum(),
            "domain.name",
            self.name,
            "letters and digits",
        )
        require(len(self.paths) > 0, f"domain {self.name}: paths", self.paths, "one folder or more")
        require(
            bool(self.table) == bool(self.attribute),
            f"domain {self.name}: attribute",
            self.attribute,
            "a column of `table`, and both or neither",
        )


@dataclass(frozen=True)
class DataConfig:
    """How training samples are cut from images."""

    short_side: tuple[int, int] = (480, 480)
    """An image is scaled so that its shorter side is between these, in pixels, drawn anew each time."""
    crop: tuple[int, int] = (640, 480)
    """Width and height of the random crop, in pixels."""
    stretch: float = 1.0
    """The aspect ratio is drawn between 1/stretch and stretch times the image's own."""
    flip: bool = True
    """Half of the samples are mirrored."""
    validation: float = 0.1
    """The share of each folder's images, the last by name, that training never sees."""
    gap: float = 0.02
    """The share of each folder's images before those that nobody sees, so that neighbouring frames of a
    drive are not in both."""
    video_every_s: float = 1.0
    """Seconds between two frames taken from a video."""
    limit_ram_mib: int = 2048
    """Memory for decoded images, all workers together; what does not fit is decoded anew each time."""
    workers: int = 0
    """Processes that load samples; the samples do not depend on it."""

    def __post_init__(self) -> None:
        low, high = self.short_side
        require(0 < low <= high, "data.short_side", self.short_side, "two sizes, the smaller first")
        require(
            all(side >= _LEAST_CROP and side % 4 == 0 for side in self.crop),
            "data.crop",
            self.crop,
            f"multiples of 4, {_LEAST_CROP} or more",
        )
        require(self.stretch >= 1, "data.stretch", self.stretch, "1 or more")
        require(0 <= self.validation < 1, "data.validation", self.validation, "0 or more, below 1")
        require(0 <= self.gap < 1 - self.validation, "data.gap", self.gap, "0 or more, below 1 - validation")
        require(self.video_every_s > 0, "data.video_every_s", self.video_every_s, "above 0")
        require(self.limit_ram_mib >= 0, "data.limit_ram_mib", self.limit_ram_mib, "0 or more")
        require(self.workers >= 0, "data.workers", self.workers, "0 or more")


@dataclass(frozen=True)
class OptimConfig:
    """Adam and how long it runs."""

    steps: int = 500_000
    """Alternating updates: one of D1, D2 and one of E, G each."""
    batch: int = 1
    """Images a domain a step, over all processes and micro-batches."""
    lr: float = 1e-4
    """Learning rate of E and G (paper: 1e-4)."""
    lr_discriminator: float | None = None
    """Learning rate of D1, D2; unset, the same."""
    betas: tuple[float, float] = (0.5, 0.999)
    """Adam's betas."""
    weight_decay: float = 0.0
    """Adam's L2 penalty (released code: 1e-4)."""
    decay_from: float = 1.0
    """The share of the steps after which both learning rates fall linearly to zero; 1: never."""
    halve_every: int = 0
    """Steps after which both learning rates halve, again and again; 0: never."""
    warmup_steps: int = 0
    """Steps in which one E and one G learn as a plain VAE on both domains; the rest starts from them."""
    warmup_lr: float = 5e-4
    """Learning rate of the warm-up."""
    ema: float = 0.0
    """Decay of the moving average of E and G that is evaluated and exported; 0: none."""
    max_skipped: int = 10
    """Updates in a row that are skipped for a NaN or Inf before the run stops."""
    seed: int = 0
    """Of weights, samples and latent noise."""

    def __post_init__(self) -> None:
        require(self.steps > 0, "optim.steps", self.steps, "1 or more")
        require(self.seed >= 0, "optim.seed", self.seed, "0 or more")
        require(self.batch > 0, "optim.batch", self.batch, "1 or more")
        for name in ("lr", "lr_discriminator", "warmup_lr"):
            rate = getattr(self, name)
            require(rate is None or rate > 0, f"optim.{name}", rate, "above 0")
        require(all(0 <= beta < 1 for beta in self.betas), "optim.betas", self.betas, "0 or more, below 1")
        require(self.warmup_steps >= 0, "optim.warmup_steps", self.warmup_steps, "0 or more")
        require(0 <= self.ema < 1, "optim.ema", self.ema, "0 or more, below 1")
        require(0 <= self.decay_from <= 1, "optim.decay_from", self.decay_from, "0 to 1")
        require(self.weight_decay >= 0, "optim.weight_decay", self.weight_decay, "0 or more")
        require(self.halve_every >= 0, "optim.halve_every", self.halve_every, "0 or more")
        require(self.max_skipped >= 1, "optim.max_skipped", self.max_skipped, "1 or more")


@dataclass(frozen=True)
class SpeedConfig:
    """What changes only a step's speed and memory, and the rounding of what it computes."""

    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """Autocast of convolutions; losses, weights and optimisers stay in fp32."""
    channels_last: bool = True
    """Memory layout NHWC."""
    compile: bool = False
    """torch.compile of the networks; needs a C++ compiler."""
    checkpointing: bool = False
    """Residual blocks are computed again in the backward pass instead of kept: less memory, more time."""
    accumulate: int = 1
    """Micro-batches that a process cuts its share of the batch into: less memory, more time."""

    def __post_init__(self) -> None:
        require(self.accumulate >= 1, "speed.accumulate", self.accumulate, "1 or more")


@dataclass(frozen=True)
class LogConfig:
    """What a run leaves behind, and how often, in steps."""

    print_every: int = 20
    sample_every: int = 500
    evaluate_every: int = 0
    """Kernel distance on the validation images (needs the critic extra); 0: never."""
    checkpoint_every: int = 500
    keep: int = 2
    """Checkpoints that stay, beside the best-scoring one."""
    tensorboard: bool = True
    """Write scalars, sample grids and histograms of z to RUN/tensorboard (if it is installed)."""

    def __post_init__(self) -> None:
        for name in ("print_every", "sample_every", "checkpoint_every", "keep"):
            require(getattr(self, name) > 0, f"log.{name}", getattr(self, name), "1 or more")
        require(self.evaluate_every >= 0, "log.evaluate_every", self.evaluate_every, "0 or more")


@dataclass(frozen=True)
class Detail:
    """The guided head of exported models (train/guided.py)."""

    radius: int = 8
    """Of the box filters, in pixels of the small image."""
    epsilon: float = 1e-4
    """Variance below which a region counts as flat, for values in [-1, 1]."""
    residual: float = 0.5
    """Share of what the local linear model can't explain that is added back, 0 to 1; it carries light
    sources that the camera's frame does not have."""

    def __post_init__(self) -> None:
        require(1 <= self.radius <= 64, "detail.radius", self.radius, "1 to 64 pixels")
        require(self.epsilon > 0, "detail.epsilon", self.epsilon, "above 0")
        require(0 <= self.residual <= 1, "detail.residual", self.residual, "0 to 1")


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides what a run computes."""

    domain1: DomainConfig
    domain2: DomainConfig
    preset: str = "paper"
    """Named starting point of the network's settings: a key of `PRESETS`."""
    network: NetworkConfig = field(default_factory=NetworkConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    guide: GuideConfig = field(default_factory=GuideConfig)
    data: DataConfig = field(default_factory=DataConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    speed: SpeedConfig = field(default_factory=SpeedConfig)
    log: LogConfig = field(default_factory=LogConfig)
    detail: Detail = field(default_factory=Detail)

    def __post_init__(self) -> None:
        require(self.preset in PRESETS, "preset", self.preset, f"one of {', '.join(PRESETS)}")
        refuse_contradictions(self)


PRESETS: dict[str, dict[str, Any]] = {
    "paper": {},
    "released": {
        "residual_width": 256,
        "norm": "instance",
        "dropout": 0.5,
        "discriminator": (64, 128, 256, 512),
        "discriminator_kernel": 1,
        "scales": 3,
    },
    "edge-s": {
        "front": (16, 24, 48),
        "residual_width": 64,
        "residual_blocks": 3,
        "shared": 3,
        "negative_slope": 0.2,
        "upsampling": "nearest",
        "out_kernel": 3,
        "stem": "half",
        "output": "subpixel",
        "dilations": (1, 2, 4),
        "init": "kaiming-half",
        "discriminator": (32, 64, 128, 128),
        "discriminator_kernel": 3,
        "scales": 2,
        "spectral_norm": True,
    },
}


def as_dict(config: RunConfig) -> dict[str, Any]:
    """Plain tables for JSON; `settings.from_dict` restores the same settings."""
    return dataclasses.asdict(config)


def preset_network(preset: str) -> NetworkConfig:
    """The network settings of a preset."""
    return NetworkConfig(**PRESETS[preset])
