"""Reading small text files of strangers: regular files only, of bounded size, depth and numbers."""

from __future__ import annotations

import json
import math
import os
import stat
from pathlib import Path
from typing import Any

JSON_AT_MOST = 16 * 2**20
TOML_AT_MOST = 2**17  # a settings file has 2 to 4 KB, and 1 MiB of tables takes tomllib 5 s
DEPTH_AT_MOST = 64
INTEGER_AT_MOST = 2**63 - 1
"""What TOML and every other reader of JSON can hold."""
_DIGITS_AT_MOST = 20


def read_bounded(path: Path, limit: int) -> bytes:
    """The content of a regular file.

    Args:
        path: of it; a pipe or device isn't waited for.
        limit: bytes that it may have.

    Raises:
        OSError: it can't be read.
        ValueError: it is no regular file, or larger.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(descriptor, "rb") as file:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise ValueError("no regular file")
        content = file.read(limit + 1) if about.st_size <= limit else b""
    if max(about.st_size, len(content)) > limit:
        raise ValueError(f"larger than {limit} bytes, expected less")
    return content


def read_json(path: Path, limit: int = JSON_AT_MOST) -> Any:
    """What a JSON file holds.

    Raises:
        OSError: it can't be read.
        ValueError: it is no JSON, or holds what no file of ours does: see `parse_json`.
    """
    return parse_json(read_bounded(path, limit))


def parse_json(text: str | bytes) -> Any:
    """What a JSON text holds.

    Raises:
        ValueError: it is no JSON, isn't UTF-8, is nested deeply, or has numbers beyond 64 bits or half
            characters in it.
    """
    try:
        text = text if isinstance(text, str) else text.decode("utf-8")
        found = json.loads(text, parse_int=_integer, parse_float=_float, parse_constant=_constant)
    except RecursionError:
        raise ValueError(f"nested more than {DEPTH_AT_MOST} deep") from None
    check_plain(found)
    return found


def check_plain(value: Any) -> None:
    """Raises ValueError if tables and lists are nested deeply, or texts or numbers are impossible."""
    waiting: list[tuple[Any, int]] = [(value, 0)]
    while waiting:
        one, depth = waiting.pop()
        if depth > DEPTH_AT_MOST:
            raise ValueError(f"nested more than {DEPTH_AT_MOST} deep")
        if isinstance(one, dict):
            waiting += [(name, depth) for name in one]
            waiting += [(inner, depth + 1) for inner in one.values()]
        elif isinstance(one, (list, tuple, set)):
            waiting += [(inner, depth + 1) for inner in one]
        elif isinstance(one, str):
            if any("\ud800" <= character <= "\udfff" for character in one):
                raise ValueError("a text with half a character in it")
        elif type(one) is int and abs(one) > INTEGER_AT_MOST:
            raise ValueError("a number beyond 64 bits")


def _integer(text: str) -> int:
    if len(text) > _DIGITS_AT_MOST:
        raise ValueError(f"a number of {len(text)} digits")
    return int(text)


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("a number beyond 64 bits")
    return value


def _constant(text: str) -> float:
    raise ValueError(f"{text}, which is no JSON")
