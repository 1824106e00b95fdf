"""What has another name now, and is still read under the old one for one version."""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping
from typing import Any

from unit_edge.errors import ConfigError

SETTINGS = {
    "network.critic": "network.feature_discriminator",
    "loss.critic": "loss.feature_gan",
    "loss.judged": "loss.discriminator_input",
}
"""Keys of TOML files, of `--set` and of RUN/config.json: old to new."""

FIELDS = {"engine": "backend", "engine_reason": "backend_reason"}
"""Keys of a benchmark's JSON: old to new."""

TENSORS = {
    "average.judge.": "ema.discriminator.",
    "average.": "ema.",
    "nets.judge.": "nets.discriminator.",
    "judge.": "discriminator.",
    "adversaries.critics.": "adversaries.feature_discriminators.",
}
"""How names of tensors in a run's files begin: old to new. The first that fits counts."""


def setting_name(key: str) -> str:
    """The name of today for a setting such as "loss.gan"; an old name is noted on stderr, once."""
    if key in SETTINGS:
        note(key, SETTINGS[key])
    return SETTINGS.get(key, key)


def with_new_settings(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Plain tables of settings under the names of today.

    Raises:
        ConfigError: a setting is there under both of its names.
    """
    tables = {name: dict(table) if isinstance(table, dict) else table for name, table in raw.items()}
    for old, new in SETTINGS.items():
        (table, old_key), new_key = old.split("."), new.partition(".")[2]
        settings = tables.get(table)
        if isinstance(settings, dict) and old_key in settings:
            if new_key in settings:
                raise ConfigError(
                    f"{old} and {new}: the same under its old and its new name; leave out {old}"
                )
            setting_name(old)
            settings[new_key] = settings.pop(old_key)
    return tables


def tensor_name(name: str) -> str:
    """The name of today for a tensor in a file that may be of an older version."""
    for old, new in TENSORS.items():
        if name.startswith(old):
            return new + name.removeprefix(old)
    return name


def with_new_fields(raw: dict[str, Any]) -> dict[str, Any]:
    """What JSON of an older version held under the names of today; an old name is noted on stderr, once."""
    for old in FIELDS.keys() & raw.keys():
        note(old, FIELDS[old])
    return {FIELDS.get(name, name): value for name, value in raw.items()}


@functools.cache
def note(old: str, new: str) -> None:
    """Says on stderr, once, what an old name is called now."""
    print(f"note: {old} is called {new} now; the old name is read until 0.2", file=sys.stderr)
