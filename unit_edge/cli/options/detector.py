"""What says of `--detector FILE.onnx` what the file doesn't, for commands that count boxes on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Decode = Annotated[
    str | None,
    typer.Option(metavar="LAYOUT", help="Of --detector: its outputs, as for `check`."),
]
Preprocess = Annotated[
    str | None,
    typer.Option(metavar="WORDS", help="Of --detector: what it expects, as for `check`."),
]
Classes = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Of --detector: names of its classes, as for `check`."),
]
