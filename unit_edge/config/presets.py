"""Named starting points: what a run's TOML file leaves out comes from its preset.

`PRESETS` has the networks, `RECIPES` the other tables; what neither names has the default of its dataclass,
which is the paper's.
"""

from __future__ import annotations

from typing import Any

from unit_edge.config.network import NetworkConfig

_EDGE_S: dict[str, Any] = {
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
}

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
    "edge-s": _EDGE_S,
    # five times the multiplications, for boards with a GPU; in multiples of 16, as tensor cores want
    "edge-m": {**_EDGE_S, "front": (32, 64, 112), "residual_width": 144},
}

_EDGE: dict[str, dict[str, Any]] = {
    # not the paper's weights: with these a CPU gets somewhere in thousands of steps
    "loss": {
        "gan_loss": "least_squares",
        "gan": 1.0,
        "kl": 0.01,
        "reconstruction": 10.0,
        "cycle_kl": 0.01,
        "cycle": 10.0,
        "discriminator_input": "guided",
    },
    # nearly the whole scene: close crops do not teach sky and ground
    "data": {"short_side": (136, 168), "crop": (128, 128), "stretch": 1.2},
    "optim": {"steps": 9500, "lr": 2e-4, "decay_from": 0.75, "warmup_steps": 800, "ema": 0.998},
}

RECIPES: dict[str, dict[str, dict[str, Any]]] = {"edge-s": _EDGE, "edge-m": _EDGE}


def preset_network(preset: str) -> NetworkConfig:
    """The network settings of a preset."""
    return NetworkConfig(**PRESETS[preset])


def with_preset(preset: str, raw: dict[str, Any]) -> dict[str, Any]:
    """Plain tables of settings, completed by those of a preset; what is no table is left as it is."""
    tables: dict[str, dict[str, Any]] = {"network": PRESETS[preset], **RECIPES.get(preset, {})}
    for name, table in tables.items():
        given = raw.get(name, {})
        if isinstance(given, dict):
            raw = {**raw, name: {**table, **given}}
    return raw
