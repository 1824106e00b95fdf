"""Options of `translate` for labelled data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unit_edge.cli.options.limits import SEED_AT_MOST

INDEX_SUFFIXES = (".json", ".yaml", ".yml")

Dataset = Annotated[
    bool,
    typer.Option("--dataset", help="INPUT is the folder of a data set: Cityscapes, KITTI, BDD100K."),
]
Images = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Where the pictures of a COCO or BDD100K .json are.")
]
Mix = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1,
        metavar="SHARE",
        help="Of a data set: translate this share, take the others as they are.",
    ),
]
Suffix = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT", help="Of a data set: added to names. [default: _DOMAIN if several, else none]"
    ),
]
Detector = Annotated[
    Path | None, typer.Option(metavar="FILE.onnx", help="Of a data set: the detector for --min-kept.")
]
MinKept = Annotated[
    float | None,
    typer.Option(
        min=0, max=1, metavar="SHARE", help="Of a data set: leave out what keeps fewer of --detector's boxes."
    ),
]
Flag = Annotated[
    bool,
    typer.Option("--flag", help="Of a data set: with --min-kept, flag those instead of leaving them out."),
]
Seed = Annotated[int, typer.Option(min=0, max=SEED_AT_MOST, help="Of a data set: of what --mix draws.")]
