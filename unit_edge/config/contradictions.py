"""Settings that are right one by one and wrong together; each check names the setting to change."""

from __future__ import annotations

from unit_edge.config.data import DataConfig
from unit_edge.config.guide import GuideConfig
from unit_edge.config.log import LogConfig
from unit_edge.config.loss import LossConfig
from unit_edge.config.network import NetworkConfig
from unit_edge.config.optim import OptimConfig
from unit_edge.config.speed import SpeedConfig
from unit_edge.errors import require


def check_sizes(network: NetworkConfig, data: DataConfig, optim: OptimConfig, speed: SpeedConfig) -> None:
    """Checks that crops are large enough for the discriminators, and that the batch can be cut.

    Raises:
        ConfigError: they are not, or it can't.
    """
    depth, scales = len(network.discriminator), network.scales
    require(
        min(network.logits_size(*data.crop)) > 0,
        "data.crop",
        data.crop,
        f"a larger one for {scales} discriminators of {depth} layers, or fewer network.scales or "
        "network.discriminator layers",
    )
    batch, cuts = optim.batch, speed.accumulate
    require(batch % cuts == 0, "speed.accumulate", cuts, f"a divisor of optim.batch, {batch}")


def check_ablations(
    network: NetworkConfig, loss: LossConfig, guide: GuideConfig, optim: OptimConfig, log: LogConfig
) -> None:
    """Checks that no term is weighted whose networks are left out, and that something teaches the generators.

    Args:
        network: which networks there are.
        loss: the weights of the terms.
        guide: whether a renderer's pairs teach as well.
        optim: whether there is a warm-up, which needs encoders and reconstructions.
        log: whether the run scores itself, which needs encoders.

    Raises:
        ConfigError: the two contradict each other.
    """
    require(
        network.feature_discriminator != "none" or loss.feature_gan == 0,
        "loss.feature_gan",
        loss.feature_gan,
        "0, as network.feature_discriminator is none",
    )
    guided = guide.name != "none" and guide.floor > 0
    taught = max(loss.gan, loss.feature_gan, loss.reconstruction, loss.cycle, float(guided))
    require(taught > 0, "loss.gan", loss.gan, "some weight above 0: nothing teaches the generators")
    at_every_step = guided or (max(loss.gan, loss.feature_gan) > 0 and loss.adversaries_from == 0)
    require(
        loss.vae_every == 1 or at_every_step,
        "loss.vae_every",
        loss.vae_every,
        "1: other steps would have nothing to learn from; or a guide, or adversaries from step 0",
    )
    require(loss.r1 == 0 or loss.gan > 0, "loss.r1", loss.r1, "0, as loss.gan is 0")
    require(
        optim.warmup_steps == 0 or loss.reconstruction > 0,
        "optim.warmup_steps",
        optim.warmup_steps,
        "0, as loss.reconstruction is 0 and the warm-up learns by it",
    )
    if not network.variational:
        for name, value in (("loss.kl", loss.kl), ("loss.cycle_kl", loss.cycle_kl)):
            require(value == 0, name, value, "0, as network.variational is false")
    if not network.encoders:
        for name, value in (
            ("loss.kl", loss.kl),
            ("loss.reconstruction", loss.reconstruction),
            ("loss.cycle_kl", loss.cycle_kl),
            ("loss.cycle", loss.cycle),
            ("loss.steady", loss.steady),
            ("optim.warmup_steps", optim.warmup_steps),
            ("log.evaluate_every", log.evaluate_every),
        ):
            require(value == 0, name, value, "0, as network.encoders is false")
        require(
            loss.discriminator_input == "translation",
            "loss.discriminator_input",
            loss.discriminator_input,
            "translation without encoders",
        )


def check_guide(guide: GuideConfig, network: NetworkConfig, loss: LossConfig) -> None:
    """Checks that a guide has networks to teach and, for its features, a feature discriminator that has them.

    Raises:
        ConfigError: it has not.
    """
    if guide.name == "none":
        return
    require(network.encoders, "guide.name", guide.name, "none, as network.encoders is false")
    taught_by = max(guide.pixels, guide.features)
    require(taught_by > 0, "guide.pixels", guide.pixels, "above 0, as guide.features is 0")
    require(
        guide.features == 0 or network.feature_discriminator != "none",
        "guide.features",
        guide.features,
        "0, as network.feature_discriminator names no features",
    )
