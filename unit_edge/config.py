"""A training run's settings: TOML in, frozen dataclasses out.

A key that is not known, a value of the wrong type and a contradiction are each an error that names
the key. What a run resolved its settings to is saved with it (`as_dict`, `from_dict`).
"""

from __future__ import annotations

import ast
import dataclasses
import sys
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, Union

from unit_edge.errors import ConfigError

T = TypeVar("T")


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
        _require(len(self.front) == 3, "network.front", self.front, "three channel counts")
        _require(min(*self.front, self.residual_width) > 0, "network.front", self.front, "positive numbers")
        _require(self.residual_blocks >= 1, "network.residual_blocks", self.residual_blocks, "1 or more")
        _require(
            0 <= self.shared <= min(4, self.residual_blocks),
            "network.shared",
            self.shared,
            f"0 to {min(4, self.residual_blocks)}, as there are {self.residual_blocks} residual blocks",
        )
        _require(
            3 <= len(self.discriminator) <= 6, "network.discriminator", self.discriminator, "3 to 6 layers"
        )
        _require(min(self.discriminator) > 0, "network.discriminator", self.discriminator, "positive numbers")
        kernel = self.discriminator_kernel
        _require(kernel >= 1, "network.discriminator_kernel", kernel, "1 or more")
        _require(1 <= self.scales <= 4, "network.scales", self.scales, "1 to 4")
        _require(
            self.out_kernel > 0 and self.out_kernel % 2 == 1,
            "network.out_kernel",
            self.out_kernel,
            "an odd number",
        )
        _require(0 <= self.dropout < 1, "network.dropout", self.dropout, "0 or more, below 1")


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
    critic: float = 0.0
    """Weight of the critic on ImageNet features, if network.critic names one."""
    judged: Literal["translation", "guided"] = "translation"
    """What the adversaries see of a translation: the network's output (paper), or what the exported
    model's guided head makes of it."""

    def __post_init__(self) -> None:
        for item in dataclasses.fields(self):
            value = getattr(self, item.name)
            if isinstance(value, float):
                _require(value >= 0, f"loss.{item.name}", value, "0 or more")


@dataclass(frozen=True)
class DomainConfig:
    """One of the two image domains."""

    name: str = ""
    """What `--to` calls it: "day"."""
    paths: tuple[str, ...] = ()
    """Folders (searched recursively), relative to the data root."""

    def __post_init__(self) -> None:
        _require(
            self.name.replace("-", "").replace("_", "").isalnum(),
            "domain.name",
            self.name,
            "letters and digits",
        )
        _require(len(self.paths) > 0, f"domain {self.name}: paths", self.paths, "one folder or more")


@dataclass(frozen=True)
class DataConfig:
    """How training samples are cut from images."""

    short_side: tuple[int, int] = (480, 480)
    """An image is scaled so that its shorter side is between these, in pixels, drawn anew each time."""
    crop: tuple[int, int] = (640, 480)
    """Width and height of the random crop, in pixels."""
    stretch: float = 1.0
    """The aspect ratio is drawn between 1/stretch and stretch times the image's own."""
    validation: float = 0.1
    """The share of each folder's images, the last by name, that training never sees."""
    workers: int = 0
    """Processes that load samples; the samples do not depend on it."""

    def __post_init__(self) -> None:
        low, high = self.short_side
        _require(0 < low <= high, "data.short_side", self.short_side, "two sizes, the smaller first")
        _require(
            all(side > 0 and side % 4 == 0 for side in self.crop), "data.crop", self.crop, "multiples of 4"
        )
        _require(self.stretch >= 1, "data.stretch", self.stretch, "1 or more")
        _require(0 <= self.validation < 1, "data.validation", self.validation, "0 or more, below 1")
        _require(self.workers >= 0, "data.workers", self.workers, "0 or more")


@dataclass(frozen=True)
class OptimConfig:
    """Adam and how long it runs."""

    steps: int = 500_000
    """Alternating updates: one of D1, D2 and one of E, G each."""
    batch: int = 1
    """Images a domain a step."""
    lr: float = 1e-4
    """Learning rate of E and G (paper: 1e-4)."""
    lr_discriminator: float | None = None
    """Learning rate of D1, D2; unset, the same."""
    betas: tuple[float, float] = (0.5, 0.999)
    """Adam's betas."""
    decay_from: float = 1.0
    """The share of the steps after which both learning rates fall linearly to zero; 1: never."""
    warmup_steps: int = 0
    """Steps in which one E and one G learn as a plain VAE on both domains; the rest starts from them."""
    warmup_lr: float = 5e-4
    """Learning rate of the warm-up."""
    ema: float = 0.0
    """Decay of the moving average of E and G that is evaluated and exported; 0: none."""
    seed: int = 0
    """Of weights, samples and latent noise."""

    def __post_init__(self) -> None:
        _require(self.steps > 0, "optim.steps", self.steps, "1 or more")
        _require(self.batch > 0, "optim.batch", self.batch, "1 or more")
        for name in ("lr", "lr_discriminator", "warmup_lr"):
            rate = getattr(self, name)
            _require(rate is None or rate > 0, f"optim.{name}", rate, "above 0")
        _require(all(0 <= beta < 1 for beta in self.betas), "optim.betas", self.betas, "0 or more, below 1")
        _require(self.warmup_steps >= 0, "optim.warmup_steps", self.warmup_steps, "0 or more")
        _require(0 <= self.ema < 1, "optim.ema", self.ema, "0 or more, below 1")
        _require(0 <= self.decay_from <= 1, "optim.decay_from", self.decay_from, "0 to 1")


@dataclass(frozen=True)
class LogConfig:
    """What a run leaves behind, and how often, in steps."""

    print_every: int = 20
    sample_every: int = 500
    evaluate_every: int = 0
    """Kernel distance on the validation images (needs the critic extra); 0: never."""
    checkpoint_every: int = 500

    def __post_init__(self) -> None:
        for name in ("print_every", "sample_every", "checkpoint_every"):
            _require(getattr(self, name) > 0, f"log.{name}", getattr(self, name), "1 or more")
        _require(self.evaluate_every >= 0, "log.evaluate_every", self.evaluate_every, "0 or more")


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
        _require(1 <= self.radius <= 64, "detail.radius", self.radius, "1 to 64 pixels")
        _require(self.epsilon > 0, "detail.epsilon", self.epsilon, "above 0")
        _require(0 <= self.residual <= 1, "detail.residual", self.residual, "0 to 1")


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides what a run computes."""

    domain1: DomainConfig
    domain2: DomainConfig
    preset: str = "paper"
    """Named starting point of the network's settings: a key of `PRESETS`."""
    network: NetworkConfig = field(default_factory=NetworkConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    data: DataConfig = field(default_factory=DataConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    log: LogConfig = field(default_factory=LogConfig)
    detail: Detail = field(default_factory=Detail)

    def __post_init__(self) -> None:
        _require(self.preset in PRESETS, "preset", self.preset, f"one of {', '.join(PRESETS)}")
        _require(
            self.domain1.name != self.domain2.name,
            "domain2.name",
            self.domain2.name,
            "another than domain1's",
        )
        _require(
            self.network.critic != "none" or self.loss.critic == 0,
            "loss.critic",
            self.loss.critic,
            "0, as network.critic is none",
        )


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
        "out_kernel": 5,
        "init": "kaiming-half",
        "discriminator": (32, 64, 128, 128),
        "discriminator_kernel": 3,
        "scales": 2,
        "spectral_norm": True,
    },
}


def load_config(path: Path, overrides: list[str] | None = None) -> RunConfig:
    """Reads a run's settings from TOML.

    Args:
        path: the TOML file.
        overrides: "optim.steps=1000", each set after the file is read.

    Raises:
        ConfigError: the file is missing, is no TOML, or a key or value is wrong.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        try:
            import tomli as tomllib
        except ModuleNotFoundError:
            raise ConfigError('reading TOML needs tomli: pip install "unit-edge[train]"') from None
    try:
        with path.open("rb") as file:
            raw = tomllib.load(file)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}; expected a TOML file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    for override in overrides or []:
        _override(raw, override)
    try:
        return from_dict(raw)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def from_dict(raw: dict[str, Any]) -> RunConfig:
    """Builds the settings from plain tables; network keys that are absent come from the preset."""
    if not isinstance(raw, dict):
        raise ConfigError(f"settings = {raw!r}, expected a table")
    raw = dict(raw)
    preset = raw.get("preset", "paper")
    if not isinstance(preset, str) or preset not in PRESETS:
        raise ConfigError(f"preset = {preset!r}, expected one of {', '.join(PRESETS)}")
    network = raw.get("network", {})
    if isinstance(network, dict):
        raw["network"] = {**PRESETS[preset], **network}
    return _build(RunConfig, raw, "")


def as_dict(config: RunConfig) -> dict[str, Any]:
    """Plain tables for JSON; `from_dict` restores the same settings."""
    return dataclasses.asdict(config)


def preset_network(preset: str) -> NetworkConfig:
    """The network settings of a preset."""
    return _build(NetworkConfig, dict(PRESETS[preset]), "network.")


def _override(raw: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    *tables, last = key.strip().split(".")
    if not equals or not last:
        raise ConfigError(f"override {override!r}, expected KEY=VALUE as in optim.steps=1000")
    for table in tables:
        raw = raw.setdefault(table, {})
        if not isinstance(raw, dict):
            raise ConfigError(f"override {override!r}: {table} is no table")
    text = text.strip()
    try:
        raw[last] = text == "true" if text in ("true", "false") else ast.literal_eval(text)
    except (ValueError, SyntaxError):
        raw[last] = text


def _build(kind: type[T], raw: Any, prefix: str) -> T:
    if not isinstance(raw, dict):
        raise ConfigError(f"{prefix.rstrip('.')} = {raw!r}, expected a table")
    hints = typing.get_type_hints(kind)
    known = {item.name: item for item in dataclasses.fields(typing.cast(Any, kind))}
    values: dict[str, Any] = {}
    for key, value in raw.items():
        if key not in known:
            raise ConfigError(f"unknown key {prefix}{key}; known here: {', '.join(known)}")
        values[key] = _convert(hints[key], value, f"{prefix}{key}")
    for name, item in known.items():
        if name not in values and item.default is item.default_factory is dataclasses.MISSING:
            raise ConfigError(f"{prefix}{name} is missing")
    return kind(**values)


def _convert(hint: Any, value: Any, key: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return _build(typing.cast(type, hint), value, f"{key}.")
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        _require(value in arguments, key, value, f"one of {', '.join(map(str, arguments))}")
        return value
    if origin is tuple:
        count = None if arguments[-1] is Ellipsis else len(arguments)
        right = isinstance(value, (list, tuple)) and count in (None, len(value))
        _require(right, key, value, f"a list of {count or 'some'} {arguments[0].__name__} values")
        return tuple(_convert(arguments[0], item, key) for item in value)
    if origin is Union or type(hint).__name__ == "UnionType":
        return None if value is None else _convert(arguments[0], value, key)
    if hint is float and type(value) is int:
        return float(value)
    _require(type(value) is hint, key, value, f"a value of type {hint.__name__}")
    return value


def _require(condition: bool, key: str, given: Any, expected: str) -> None:
    if not condition:
        raise ConfigError(f"{key} = {given!r}, expected {expected}")
