"""The command that makes TensorRT engines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unit_edge.cli.options.common import ModelArgument, OverwriteOption
from unit_edge.cli.options.limits import MIB_AT_MOST
from unit_edge.cli.terminal.progress import heartbeat
from unit_edge.cli.terminal.say import echo
from unit_edge.errors import BackendError
from unit_edge.registry import resolve_model
from unit_edge.text.sizes import parse_size

_Size = "WxH"


def build(
    model: ModelArgument,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="ENGINE", help="[default: NAME.BACKEND.engine beside MODEL]"),
    ] = None,
    backend: Annotated[str, typer.Option(metavar="NAME", help="auto, tensorrt or rtx.")] = "auto",
    board: Annotated[
        str | None, typer.Option(metavar="NAME", help="What it is for; see `unit-edge boards`.")
    ] = None,
    workspace: Annotated[
        int | None, typer.Option(metavar="MIB", min=1, max=MIB_AT_MOST, help="Scratch memory limit.")
    ] = None,
    timing_cache: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Measured times, kept for the next build.")
    ] = None,
    dla: Annotated[bool, typer.Option("--dla", help="Use the DLA, and the GPU for the rest.")] = False,
    version_compatible: Annotated[
        bool, typer.Option("--version-compatible", help="For newer TensorRT too.")
    ] = False,
    hardware_compatible: Annotated[
        bool, typer.Option("--hardware-compatible", help="For any GPU from Ampere on.")
    ] = False,
    min_size: Annotated[
        str | None, typer.Option(metavar=_Size, help="Least frame, dynamic models. [default: 320x180]")
    ] = None,
    opt_size: Annotated[
        str | None, typer.Option(metavar=_Size, help="The frame to be fast at. [default: 1280x720]")
    ] = None,
    max_size: Annotated[
        str | None, typer.Option(metavar=_Size, help="Largest frame; costs memory. [default: 1920x1080]")
    ] = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Build a TensorRT engine from an ONNX model.

    \b
    Examples:
      unit-edge build my-night.onnx
      unit-edge build my-night.onnx --backend rtx --board rtx-4090 \\
          -o night.rtx.engine

    An engine runs on the kind of GPU and the TensorRT that it was built for; its .json says which. One
    that was built of the same model before is replaced, other files with --overwrite only.
    """
    from unit_edge.boards.find import find_board
    from unit_edge.export.to_engine import BuildOptions, build_engine

    options = BuildOptions(
        backend=backend,
        board=None if board is None else find_board(board),
        workspace_mib=workspace,
        timing_cache=timing_cache,
        dla=dla,
        version_compatible=version_compatible,
        hardware_compatible=hardware_compatible,
        sizes=(parse_size(min_size), parse_size(opt_size), parse_size(max_size)),
    )
    try:
        with heartbeat(f"building an engine of {model}"):
            path = build_engine(resolve_model(model), output, options, overwrite=overwrite)
    except BackendError as error:
        missing, _, _ = str(error).partition("; install it")
        if board is None or "not installed" not in missing:
            raise
        raise BackendError(
            f"{missing}, and an engine is built where it runs: let the board build it, "
            f"`unit-edge export RUN --to DOMAIN --board {board}`"
        ) from None
    echo(f"{path}: {path.stat().st_size / 2**20:.1f} MiB")
