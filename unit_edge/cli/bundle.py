"""The part of `unit-edge export` that makes bundles for boards, and its options."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unit_edge.boards.find import all_boards, find_board
from unit_edge.cli.options.common import needs
from unit_edge.cli.terminal.say import echo

if TYPE_CHECKING:
    from unit_edge.export.bundle.bundle import Bundle, Variant

BoardName = Annotated[
    str | None,
    typer.Option(
        "--board", metavar="NAME", help="Make a bundle for this board; `unit-edge boards` lists them."
    ),
]
Pythons = Annotated[
    list[str] | None,
    typer.Option(
        "--python",
        metavar="3.X",
        help="A Python that the board has; repeatable. [default: its systems' own, or this one]",
    ),
]
Wheels = Annotated[
    bool, typer.Option("--wheels/--no-wheels", help="Put the packages in the bundle that the board installs.")
]


def export_for_board(
    run: Path,
    to: str,
    name: str,
    *,
    output: Path | None,
    precision: str | None,
    calibrate: Path | None,
    int8_for: str | None,
    int8_skip: tuple[str, ...],
    allow_low_quality: bool,
    pythons: tuple[str, ...],
    wheels: bool,
    overwrite: bool,
    options: dict[str, Any],
) -> None:
    """Makes a bundle, and says what was chosen and why."""
    board = find_board(name)
    with needs("export"):
        from unit_edge.export.bundle.board_choice import choose
        from unit_edge.export.bundle.bundle import export_bundle
        from unit_edge.export.to_onnx import Int8
    from unit_edge.boards.roofline import assumptions

    choice = choose(board, precision, calibrate is not None, pythons)
    int8 = None
    if calibrate is not None:
        int8 = Int8(
            calibrate=calibrate,
            variant=int8_for or choice.int8_for,
            skip=int8_skip,
            allow_low_quality=allow_low_quality,
        )
    for line in (f"board {board.name}: {board.title}{_others(name, board.name)}", *choice.notes):
        echo(line)
    bundle = export_bundle(
        run,
        to,
        choice,
        output=output,
        int8=int8,
        wheels=wheels,
        overwrite=overwrite,
        say=echo,
        **options,
    )
    for line in _lines(bundle):
        echo(line)
    echo(assumptions())
    systems = " or ".join(f"{system.name} (Python {system.python})" for system in bundle.choice.systems)
    echo(f"{bundle.path}: {_mib(bundle.bytes)}; copy it to the board, {systems}, and run {_command(bundle)}")


def _others(given: str, taken: str) -> str:
    if given == taken:
        return ""
    others = [one.name for one in all_boards() if one.name.startswith(given) and one.name != taken]
    return f", for {given}" + (f" (there are also {', '.join(others)})" if others else "")


def _lines(bundle: Bundle) -> list[str]:
    from unit_edge.export.bundle.board_choice import FAST_ENOUGH_FPS

    lines = []
    for variant in bundle.variants:
        lines.append(f"{variant.exported.model.name}: {_mib(variant.bytes)}, {_speed(variant)}")
        lines.append(f"  {variant.exported.report.summary()}")
        if in_float := variant.exported.manifest.int8.get("in_float"):
            lines.append(f"  left in float: {', '.join(in_float)}")
    first = bundle.variants[0]
    if first.exported.manifest.input.shape[1] is None:
        size = "{}x{}".format(*first.frame_size)
        reason = f"the largest of the usual sizes that is predicted to reach {FAST_ENOUGH_FPS} FPS"
        if first.predicted is None or first.predicted.fps < FAST_ENOUGH_FPS:
            reason = "the smallest of the usual sizes"
        tuned = (
            f"engines are tuned for {size}" if bundle.choice.backend != "onnxruntime" else f"best at {size}"
        )
        lines.append(f"frames of any size; {tuned}, {reason} (--frame-size WxH fixes the size)")
    if first.predicted is not None and first.predicted.fps < FAST_ENOUGH_FPS:
        side = first.exported.manifest.network_short_side
        lines.append(
            f"note: predicted below {FAST_ENOUGH_FPS} FPS; the network sees a short side of {side} pixels; "
            "a smaller --network-size is faster, but it did not learn from such images"
        )
    return lines


def _speed(variant: Variant) -> str:
    size = "{}x{}".format(*variant.frame_size)
    if variant.predicted is None:
        return f"speed at {size} not predicted: the board's peak in this precision is not known"
    return f"predicted {variant.predicted.fps:.3g} FPS at {size} ({variant.predicted.bound})"


def _command(bundle: Bundle) -> str:
    from unit_edge.export.bundle.archive import SUFFIX

    if bundle.path.name.endswith(SUFFIX):
        return f"`tar --zstd -xf {bundle.path.name}`, then `{bundle.path.name.removesuffix(SUFFIX)}/build.sh`"
    return "`./build.sh` in it"


def _mib(count: int) -> str:
    return f"{count / 2**20:.1f} MiB"
