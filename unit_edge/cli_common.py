"""What the command modules share: argument types, and checks that end in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from unit_edge.errors import ConfigError, UnitEdgeError

ModelArgument = Annotated[
    str, typer.Argument(metavar="MODEL", help="A .onnx or .engine file, or a bundled model's name.")
]
DataRoot = Annotated[
    Path, typer.Option(metavar="DIR", envvar="UNIT_EDGE_DATA", help="What the domains' folders are in.")
]

_OPTIONAL = {"torch", "safetensors", "tqdm", "tomli", "onnx", "onnxscript", "packaging", "zstandard"}


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Around imports that only some installations have."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _OPTIONAL:
            raise
        raise UnitEdgeError(
            f'this command needs {error.name}: install it with `pip install "unit-edge[{extra}]"`'
        ) from None


def frame_size(text: str | None, what: str = "size") -> tuple[int, int] | None:
    """WxH in pixels; None for "dynamic" or nothing."""
    if text is None or text == "dynamic":
        return None
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise ConfigError(f"{what} {text!r}; expected WIDTHxHEIGHT in pixels, such as 1280x720")
    return int(width), int(height)
