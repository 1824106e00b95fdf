"""Frozen dataclasses out of the plain tables of JSON and TOML: settings, manifests and costs are read here.

A key that is not known, one that is missing and a value of the wrong type are each an error that names it.
"""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar, Union

from unit_edge.errors import ConfigError, require

T = TypeVar("T")
Check = Callable[[str, Any], None]
_KEY_SHOWN = 120


@dataclass(frozen=True)
class Within:
    """Least and most of a number, of a text's characters or of a list's entries, in `Annotated[int, ...]`."""

    least: int
    most: int

    def check(self, key: str, value: Any) -> None:
        """Raises ConfigError if a value is outside."""
        size, unit = value, ""
        if isinstance(value, (str, tuple)):
            size, unit = len(value), " characters" if isinstance(value, str) else " entries"
        require(self.least <= size <= self.most, key, value, f"{self.least} to {self.most}{unit}")


def build(kind: type[T], raw: Any, check: Check = lambda key, value: None) -> T:
    """Builds a dataclass of plain tables.

    Its fields may be numbers, texts, literals, other dataclasses, tuples, dicts with texts for keys, and
    any of these or None; an int is taken for a float, and a list for a tuple.

    Args:
        kind: the dataclass.
        raw: what JSON or TOML held.
        check: what else is asked of each value; gets "table.key" and the value, and raises ConfigError.

    Raises:
        ConfigError: a key or value is wrong.
    """
    return _build(kind, raw, "", check)


def _build(kind: type[T], raw: Any, prefix: str, check: Check) -> T:
    if not isinstance(raw, dict):
        require(False, prefix.rstrip(".") or "content", raw, "a table")
    hints = typing.get_type_hints(kind, include_extras=True)
    known = {item.name: item for item in dataclasses.fields(typing.cast(Any, kind))}
    values: dict[str, Any] = {}
    for key, value in raw.items():
        if key not in known:
            raise ConfigError(f"unknown key {prefix}{key[:_KEY_SHOWN]}; {_hint(key, known, prefix)}")
        values[key] = _convert(hints[key], value, f"{prefix}{key}", check)
        check(f"{prefix}{key}", values[key])
    for name, item in known.items():
        if name not in values and item.default is item.default_factory is dataclasses.MISSING:
            raise ConfigError(f"{prefix}{name} is missing")
    return kind(**values)


def _hint(key: str, known: typing.Iterable[str], prefix: str) -> str:
    import difflib

    near = difflib.get_close_matches(key[:_KEY_SHOWN], known, 1)
    return f"did you mean {prefix}{near[0]}?" if near else f"known here: {', '.join(known)}"


def _convert(hint: Any, value: Any, key: str, check: Check) -> Any:
    if dataclasses.is_dataclass(hint):
        return _build(typing.cast(type, hint), value, f"{key}.", check)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        value = _convert(arguments[0], value, key, check)
        arguments[1].check(key, value)
        return value
    if origin is Literal:
        require(value in arguments, key, value, f"one of {', '.join(map(str, arguments))}")
        return value
    if origin is tuple:
        count = None if arguments[-1] is Ellipsis else len(arguments)
        right = isinstance(value, (list, tuple)) and count in (None, len(value))
        require(right, key, value, f"a list of {count or 'some'} {_name(arguments[0])} values")
        return tuple(_convert(arguments[0], item, key, check) for item in value)
    if origin is dict:
        require(isinstance(value, dict), key, value, "a table")
        return {name: _convert(arguments[1], inner, f"{key}.{name}", check) for name, inner in value.items()}
    if origin is Union or type(hint).__name__ == "UnionType":
        return None if value is None else _convert(arguments[0], value, key, check)
    if hint is Any:
        return value
    if hint is float and type(value) is int:
        return float(value)
    require(type(value) is not float or math.isfinite(value), key, value, "a finite number")
    require(type(value) is hint, key, value, f"a value of type {_name(hint)}")
    return value


def _name(hint: Any) -> str:
    """A type as an error names it."""
    if typing.get_origin(hint) is Annotated:
        return _name(typing.get_args(hint)[0])
    return "list" if typing.get_origin(hint) is tuple else str(getattr(hint, "__name__", hint))
