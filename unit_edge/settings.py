"""Reads a run's settings: TOML in, frozen dataclasses out.

A key that is not known, a value of the wrong type and a contradiction are each an error that names
the key.
"""

from __future__ import annotations

import ast
import dataclasses
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from unit_edge.config import PRESETS, RunConfig, as_dict
from unit_edge.config.adapt import AdaptConfig
from unit_edge.config.limits import check_largest
from unit_edge.config.presets import with_preset
from unit_edge.config.renamed import setting_name, with_new_settings
from unit_edge.errors import ConfigError
from unit_edge.files import typed
from unit_edge.files.reading import TOML_AT_MOST, check_plain, read_bounded

T = TypeVar("T")

_KEY_DEPTH_AT_MOST = 16
_NAME = r"""(?:[\w-]+|"[^"\n]*"|'[^'\n]*')"""
_TOKEN = re.compile(
    r'"{3}[\s\S]*?"{3}|\'{3}[\s\S]*?\'{3}|#[^\n]*|(?P<deep>(?:'
    + _NAME
    + r"[ \t]*\.[ \t]*)"
    + f"{{{_KEY_DEPTH_AT_MOST}}})|{_NAME}|."
)


def load_config(path: Path, overrides: list[str] | None = None) -> RunConfig:
    """Reads a run's settings from TOML.

    Args:
        path: the TOML file.
        overrides: "optim.steps=1000", each set after the file is read.

    Raises:
        ConfigError: the file is missing, is no TOML, or a key or value is wrong.
    """
    return load_toml(path, overrides or [], from_dict)


def load_adapt_config(path: Path, overrides: list[str]) -> AdaptConfig:
    """Reads an adaptation's settings from TOML, in the same way."""
    return load_toml(path, overrides, lambda raw: build(AdaptConfig, raw))


def load_toml(path: Path, overrides: list[str], make: Callable[[dict[str, Any]], T]) -> T:
    """Reads a TOML file, overrides some of it, and makes settings of its tables.

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
        text = read_bounded(path, TOML_AT_MOST).decode("utf-8").replace("\r\n", "\n")
        if _deep_key(text):
            raise ValueError(f"a key of more than {_KEY_DEPTH_AT_MOST} parts")
        raw = tomllib.loads(text)
        check_plain(raw)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}; expected a TOML file") from None
    except RecursionError:
        raise ConfigError(f"{path}: not valid TOML: nested too deeply") from None
    except ValueError as error:  # of TOML, of UTF-8 and of what no settings need
        said = "a number of thousands of digits" if "set_int_max_str_digits" in str(error) else str(error)
        raise ConfigError(f"{path}: not valid TOML: {said}") from None
    try:
        raw = with_new_settings(raw)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    for override in overrides:
        _override(raw, override)
    try:
        return make(raw)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _deep_key(text: str) -> bool:
    """Whether a key has so many dots that reading it would take all memory; a text may have them."""
    return any(found.lastgroup == "deep" for found in _TOKEN.finditer(text))


def from_dict(raw: dict[str, Any]) -> RunConfig:
    """Builds the settings from plain tables; keys that are absent come from the preset."""
    if not isinstance(raw, dict):
        raise ConfigError(f"settings = {raw!r}, expected a table")
    raw = with_new_settings(raw)
    preset = raw.get("preset", "paper")
    if preset == "digits":
        raise ConfigError("preset = 'digits' is for `unit-edge adapt`")
    if not isinstance(preset, str) or preset not in PRESETS:
        raise ConfigError(f"preset = {preset!r}, expected one of {', '.join(PRESETS)}")
    return build(RunConfig, with_preset(preset, raw))


def from_saved(raw: dict[str, Any]) -> RunConfig:
    """Builds the settings from what a run saved, which is all of them.

    A key that is absent is younger than the run and has its default, which changes nothing; the preset may
    have got other values since.
    """
    return build(RunConfig, with_new_settings(raw))


def build(kind: type[T], raw: dict[str, Any]) -> T:
    """Builds a dataclass of settings from plain tables.

    Raises:
        ConfigError: a key or value is wrong.
    """
    return typed.build(kind, raw, check_largest)


def override_adapt(config: AdaptConfig, overrides: list[str]) -> AdaptConfig:
    """An adaptation's settings with some of them changed, as `override` does it."""
    raw = dataclasses.asdict(config)
    for text in overrides:
        _override(raw, text)
    return build(AdaptConfig, raw)


def override(config: RunConfig, overrides: list[str]) -> RunConfig:
    """The settings with some of them changed: "optim.steps=1000".

    Raises:
        ConfigError: a key or value is wrong.
    """
    raw = as_dict(config)
    for text in overrides:
        _override(raw, text)
    return from_dict(raw)


def _override(raw: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    *tables, last = setting_name(key.strip()).split(".")
    if not equals or not last:
        raise ConfigError(f"override {override!r}, expected KEY=VALUE as in optim.steps=1000")
    for table in tables:
        raw = raw.setdefault(table, {})
        if not isinstance(raw, dict):
            raise ConfigError(f"override {override!r}: {table} is no table")
    text = text.strip()
    try:
        raw[last] = text == "true" if text in ("true", "false") else ast.literal_eval(text)
        check_plain(raw[last])
    except (ValueError, SyntaxError):
        raw[last] = text
    except (RecursionError, MemoryError):
        raise ConfigError(f"override of {key}: nested too deeply") from None
