"""The largest value that each number in settings may have: beyond it a run could never start, or never end.

The least is in the settings' own classes, with what contradicts.
"""

from __future__ import annotations

from typing import Any

from unit_edge.errors import require

_STEPS = 100_000_000
_CHANNELS = 8192
_PIXELS = 16_384
_WEIGHT = 1e6
_RATE = 10.0

LARGEST: dict[str, float] = {
    "network.front": _CHANNELS,
    "network.residual_width": _CHANNELS,
    "network.residual_blocks": 64,
    "network.shared": 4,
    "network.negative_slope": 1,
    "network.dropout": 1,
    "network.out_kernel": 31,
    "network.dilations": 64,
    "network.discriminator": _CHANNELS,
    "network.discriminator_kernel": 31,
    "network.scales": 4,
    "network.width": 1024,
    "network.channels": 3,
    "loss.adversaries_from": _STEPS,
    "loss.vae_every": _STEPS,
    "loss.confidence": 1,
    "loss.consistency_from": 1,
    "guide.until": 1,
    "guide.alone_from": 1,
    "guide.stray_lights": 64,
    "guide.drops": 1024,
    "guide.cast": 1,
    "guide.highlights": 1000,
    "data.short_side": _PIXELS,
    "data.crop": _PIXELS,
    "data.stretch": 16,
    "data.validation": 1,
    "data.gap": 1,
    "data.video_every_s": 86_400,
    "data.limit_ram_mib": 2**24,
    "data.workers": 256,
    "optim.steps": _STEPS,
    "optim.batch": 65_536,
    "optim.lr": _RATE,
    "optim.lr_discriminator": _RATE,
    "optim.warmup_lr": _RATE,
    "optim.betas": 1,
    "optim.weight_decay": _RATE,
    "optim.decay_from": 1,
    "optim.halve_every": _STEPS,
    "optim.warmup_steps": _STEPS,
    "optim.ema": 1,
    "optim.max_skipped": _STEPS,
    "optim.seed": 2**53,
    "speed.accumulate": 65_536,
    "log.print_every": _STEPS,
    "log.sample_every": _STEPS,
    "log.evaluate_every": _STEPS,
    "log.checkpoint_every": _STEPS,
    "log.keep": 1_000_000,
    "detail.radius": 64,
    "detail.epsilon": 100,
    "detail.residual": 1,
    "detail.residual_colour": 1,
    "detail.highlights": 64,
    "detail.saturation": 4,
    "detail.brightness": 4,
    "detail.coolness": 0.5,
    "detail.contrast": 4,
    "detail.sharpness": 8,
    "detail.stray_colour": 1,
    "detail.magenta": 1,
    "detail.hue": 1,
    "detail.gain_limit": 64,
    "detail.red_lights": 64,
    "detail.green_lights": 64,
    "detail.margin": 64,
    "source.zoom": 2,
    "target.zoom": 2,
    "augment.turn_deg": 45,
    "augment.scale": 2,
    "augment.aspect": 2,
    "augment.shear": 1,
    "augment.shift_px": 16,
    "augment.elastic_px": 8,
    "augment.blur": 1,
}
"""By the key in TOML."""

WEIGHTS = ("loss.", "guide.")
"""What begins so and isn't listed is a weight of a term."""
_LISTED_AT_MOST = 10_000
_TEXT_AT_MOST = 4096


def largest(key: str) -> float | None:
    """The largest value of a number; None if nobody has thought of one."""
    if key in LARGEST:
        return LARGEST[key]
    return _WEIGHT if key.startswith(WEIGHTS) else None


def check_largest(key: str, value: Any) -> None:
    """Raises ConfigError if a number is too large, a text too long, or a list has too many entries."""
    if isinstance(value, (list, tuple)):
        if len(value) > _LISTED_AT_MOST:
            require(False, key, f"{len(value)} entries", f"{_LISTED_AT_MOST} at most")
        for item in value:
            check_largest(key, item)
    elif isinstance(value, str):
        require(len(value) <= _TEXT_AT_MOST, key, value[:60], f"a text of {_TEXT_AT_MOST} characters at most")
    elif type(value) in (int, float) and (limit := largest(key)) is not None:
        require(value <= limit, key, value, f"{limit:g} at most")
