"""Settings that are right one by one and wrong together."""

from __future__ import annotations

from typing import Any, Protocol

from unit_edge.errors import require


class Settings(Protocol):
    """What is looked at of a `RunConfig`, whose module imports this one."""

    @property
    def domain1(self) -> Any: ...
    @property
    def domain2(self) -> Any: ...
    @property
    def network(self) -> Any: ...
    @property
    def loss(self) -> Any: ...
    @property
    def guide(self) -> Any: ...
    @property
    def data(self) -> Any: ...
    @property
    def optim(self) -> Any: ...
    @property
    def speed(self) -> Any: ...


def refuse_contradictions(config: Settings) -> None:
    """Raises ConfigError, which names the setting to change, if settings exclude each other."""
    require(
        config.domain1.name != config.domain2.name,
        "domain2.name",
        config.domain2.name,
        "another than domain1's",
    )
    require(
        config.network.critic != "none" or config.loss.critic == 0,
        "loss.critic",
        config.loss.critic,
        "0, as network.critic is none",
    )
    _check_sizes(config)
    _check_ablations(config)
    if config.guide.name != "none":
        _check_guide(config)


def _check_sizes(config: Settings) -> None:
    depth, scales = len(config.network.discriminator), config.network.scales
    require(
        min(config.network.logits_size(*config.data.crop)) > 0,
        "data.crop",
        config.data.crop,
        f"a larger one for {scales} discriminators of {depth} layers, or fewer network.scales or "
        "network.discriminator layers",
    )
    batch, cuts = config.optim.batch, config.speed.accumulate
    require(batch % cuts == 0, "speed.accumulate", cuts, f"a divisor of optim.batch, {batch}")


def _check_ablations(config: Settings) -> None:
    loss, zero = config.loss, "0, as network.{} is false"
    guided = config.guide.name != "none" and config.guide.floor > 0
    taught = max(loss.gan, loss.critic, loss.reconstruction, loss.cycle, float(guided))
    require(taught > 0, "loss.gan", loss.gan, "some weight above 0: nothing teaches the generators")
    require(loss.r1 == 0 or loss.gan > 0, "loss.r1", loss.r1, "0, as loss.gan is 0")
    require(
        config.optim.warmup_steps == 0 or loss.reconstruction > 0,
        "optim.warmup_steps",
        config.optim.warmup_steps,
        "0, as loss.reconstruction is 0 and the warm-up learns by it",
    )
    if not config.network.variational:
        for name in ("kl", "cycle_kl"):
            value = getattr(loss, name)
            require(value == 0, f"loss.{name}", value, zero.format("variational"))
    if not config.network.encoders:
        for table, name in (
            ("loss", "kl"),
            ("loss", "reconstruction"),
            ("loss", "cycle_kl"),
            ("loss", "cycle"),
            ("loss", "steady"),
            ("optim", "warmup_steps"),
            ("log", "evaluate_every"),
        ):
            value = getattr(getattr(config, table), name)
            require(value == 0, f"{table}.{name}", value, zero.format("encoders"))
        require(loss.judged == "translation", "loss.judged", loss.judged, "translation without encoders")


def _check_guide(config: Settings) -> None:
    guide = config.guide
    require(config.network.encoders, "guide.name", guide.name, "none, as network.encoders is false")
    taught_by = max(guide.pixels, guide.features)
    require(taught_by > 0, "guide.pixels", guide.pixels, "above 0, as guide.features is 0")
    has_features = config.network.critic != "none" and config.loss.critic > 0
    require(
        guide.features == 0 or has_features,
        "guide.features",
        guide.features,
        "0, as there is no feature discriminator (network.critic, loss.critic) whose features it could use",
    )
