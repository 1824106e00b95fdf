"""The commands of export: a run's model as ONNX, and whether it still is the run's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from unit_edge.cli import adapt, bundle
from unit_edge.cli.options.common import ModelArgument, OverwriteOption, needs
from unit_edge.cli.options.limits import COUNT_AT_MOST
from unit_edge.cli.terminal.progress import heartbeat
from unit_edge.cli.terminal.say import echo
from unit_edge.errors import ConfigError
from unit_edge.registry import resolve_model
from unit_edge.text.sizes import parse_size


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a training run.")],
    to: Annotated[
        str,
        typer.Option(
            metavar="DOMAIN",
            help="Which of its two domains to translate to; of an adaptation also: digit, the classifier.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="PATH",
            help="A .onnx file, or a folder for it. Of a bundle: its folder, or a .tar.zst.",
        ),
    ] = None,
    board: bundle.BoardName = None,
    detail: Annotated[
        str, typer.Option(metavar="HEAD", help="guided: sharp at any frame size; none: the network alone.")
    ] = "guided",
    frame_size: Annotated[
        str, typer.Option(metavar="WxH", help="Of the frames; dynamic takes any size.")
    ] = "dynamic",
    batch: Annotated[
        int, typer.Option(max=COUNT_AT_MOST, metavar="N", help="Frames in one call; more suit big GPUs.")
    ] = 1,
    network_size: Annotated[
        int | None,
        typer.Option(
            max=COUNT_AT_MOST,
            metavar="PIXELS",
            help="Short side of what the network sees. [default: as trained]",
        ),
    ] = None,
    residual: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE", help="How much the guided head adds of its own, 0 to 1. [default: as trained]"
        ),
    ] = None,
    residual_colour: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="Of that, in colour, 0 to 1. [default: as trained]"),
    ] = None,
    highlights: Annotated[
        float | None,
        typer.Option(
            metavar="GAIN", help="How much brighter lamps and the like get, 0 to 64. [default: as trained]"
        ),
    ] = None,
    saturation: Annotated[
        float | None,
        typer.Option(metavar="FACTOR", help="Of the network's colours, 0 to 4. [default: as trained]"),
    ] = None,
    brightness: Annotated[
        float | None,
        typer.Option(metavar="FACTOR", help="Of the network's levels, 0 to 4. [default: as trained]"),
    ] = None,
    coolness: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="By which blue is more and red is less, -0.5 to 0.5. [default: as trained]",
        ),
    ] = None,
    contrast: Annotated[
        float | None,
        typer.Option(metavar="FACTOR", help="Of the frame's own detail, 0 to 4. [default: as trained]"),
    ] = None,
    sharpness: Annotated[
        float | None,
        typer.Option(
            metavar="FACTOR",
            help="Of detail finer than the network sees, 0 to 8. [default: as trained]",
        ),
    ] = None,
    stray_colour: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="How far colours may be from those around, 0 to 1: against specks. [default: as trained]",
        ),
    ] = None,
    magenta: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Kept of pink and violet that the frame hasn't, 0 to 1. [default: as trained]",
        ),
    ] = None,
    hue: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Kept of what turns the hue of colourful things, 0 to 1. [default: as trained]",
        ),
    ] = None,
    gain_limit: Annotated[
        float | None,
        typer.Option(
            metavar="FACTOR",
            help="Of the frame's levels, that none may exceed; 0 for any. [default: as trained]",
        ),
    ] = None,
    red_lights: Annotated[
        float | None,
        typer.Option(
            metavar="LIGHT",
            help="Of tail lights and what else is small and red, 0 to 64. [default: as trained]",
        ),
    ] = None,
    green_lights: Annotated[
        float | None,
        typer.Option(
            metavar="LIGHT",
            help="Of green signals and what else is small and bluish green, 0 to 64. [default: as trained]",
        ),
    ] = None,
    margin: Annotated[
        int | None,
        typer.Option(
            max=COUNT_AT_MOST,
            metavar="PIXELS",
            help="That the network sees beyond the edges: against faint frames. [default: as trained]",
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="fp32; fp16: half the size, for GPUs; int8: a quarter. [default: fp32, or the board's]",
        ),
    ] = None,
    calibrate: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="For int8: video or images like those that it will see."),
    ] = None,
    int8_for: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="What the int8 model is for: cpu or tensorrt. [default: cpu, or the board's]"
        ),
    ] = None,
    int8_skip: Annotated[
        list[str] | None,
        typer.Option(metavar="LAYER", help="A layer to leave in float, as inspect names it; repeatable."),
    ] = None,
    allow_low_quality: Annotated[
        bool, typer.Option("--allow-low-quality", help="Keep an int8 model that is far from its run.")
    ] = False,
    frames: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Video or images to verify on. [default: built-in]")
    ] = None,
    best: Annotated[
        bool, typer.Option("--best", help="The weights that scored best, not the newest.")
    ] = False,
    python: bundle.Pythons = None,
    wheels: bundle.Wheels = True,
    overwrite: OverwriteOption = False,
) -> None:
    """Write a trained model as ONNX, verified.

    What the file computes is compared with what the training run computes before it gets its name. With
    --board it becomes a bundle: a folder (or .tar.zst) with the precisions that suit the board, and a
    build.sh that installs unit-edge there without a network and builds the engines; see docs/boards.md.

    \b
    Examples:
      unit-edge export runs/day-night --to night
      unit-edge export runs/day-night --to night -o board.onnx \\
          --frame-size 1280x720
      unit-edge export runs/day-night --to night --precision fp16
      unit-edge export runs/day-night --to night --precision int8 \\
          --calibrate drive.mp4
      unit-edge export runs/day-night --to night --board orin-nano \\
          --calibrate drive.mp4
    """
    head = {
        "residual": residual,
        "residual_colour": residual_colour,
        "highlights": highlights,
        "saturation": saturation,
        "brightness": brightness,
        "coolness": coolness,
        "contrast": contrast,
        "sharpness": sharpness,
        "stray_colour": stray_colour,
        "magenta": magenta,
        "hue": hue,
        "gain_limit": gain_limit,
        "red_lights": red_lights,
        "green_lights": green_lights,
        "margin": margin,
    }
    options: dict[str, Any] = {
        **head,
        "detail": detail,
        "frame_size": parse_size(frame_size),
        "network_size": network_size,
        "frames": frames,
        "best": best,
        "batch": batch,
    }
    if adapt.is_adaptation(run):
        given = {
            "--board": board, "--precision": None if precision == "fp32" else precision,
            "--calibrate": calibrate, "--int8-for": int8_for, "--int8-skip": int8_skip,
            "--allow-low-quality": allow_low_quality, "--frame-size": parse_size(frame_size),
            "--network-size": network_size, "--best": best, "--python": python,
            **{f"--{name.replace('_', '-')}": value for name, value in head.items()},
        }  # fmt: skip
        adapt.export(run, to, output=output, batch=batch, frames=frames, overwrite=overwrite, unfit=given)
        return
    for_int8 = bool(int8_skip or allow_low_quality or int8_for not in (None, "cpu"))
    if board is not None:
        if calibrate is None and for_int8:
            raise ConfigError("options for int8 without --calibrate; add --calibrate VIDEO or FOLDER")
        bundle.export_for_board(
            run,
            to,
            board,
            output=output,
            precision=precision,
            calibrate=calibrate,
            int8_for=int8_for,
            int8_skip=tuple(int8_skip or ()),
            allow_low_quality=allow_low_quality,
            pythons=tuple(python or ()),
            wheels=wheels,
            overwrite=overwrite,
            options=options,
        )
        return
    if python or not wheels:
        raise ConfigError("--python and --no-wheels are for bundles; add --board NAME")
    precision = precision or "fp32"
    if calibrate is None and precision != "int8" and for_int8:
        raise ConfigError(f"options for int8 with --precision {precision}; add --precision int8")
    with needs("export"):
        from unit_edge.export.to_onnx import Int8, export_run

    int8 = None
    if calibrate is not None:
        int8 = Int8(
            calibrate=calibrate,
            variant=int8_for or "cpu",
            skip=tuple(int8_skip or ()),
            allow_low_quality=allow_low_quality,
        )
    with heartbeat(f"exporting {run}"):
        exported = export_run(
            run, to, output=output, precision=precision, int8=int8, overwrite=overwrite, **options
        )
    echo(f"{exported.model}: {exported.model.stat().st_size / 2**20:.1f} MiB")
    echo(exported.report.summary())
    if precision == "int8":
        moved = exported.manifest.int8["moved"]
        echo(
            'kernel distance not checked; `pip install "unit-edge[imagenet]"` for it'
            if moved is None
            else f"int8 moves the translations by {moved:.0%} of their way from the frames (kernel distance)"
        )
    if exported.manifest.int8.get("in_float"):
        echo(f"left in float: {', '.join(exported.manifest.int8['in_float'])}")


def verify(
    model: ModelArgument,
    against: Annotated[Path, typer.Option(metavar="RUN", help="The training run that it was exported from.")],
    frames: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Video or images to compare on. [default: built-in]")
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option("--sheet", metavar="PNG", help="Also show the frame that differs most.")
    ] = None,
    backend: Annotated[
        str, typer.Option(metavar="NAME", help="What runs the model: onnxruntime, openvino, ...")
    ] = "auto",
    layers: Annotated[
        bool, typer.Option("--layers", help="Also compare each layer, on the frame that differs most.")
    ] = False,
) -> None:
    """Compare an exported model or engine with its run.

    Both translate the same frames; the differences are in 8-bit levels. The sheet shows the frame, the run's
    translation, the model's, and their difference, made brighter. A layer's figure is the root mean square of
    its difference, over that of the run's; where it jumps, the two part.

    \b
    Example:
      unit-edge verify night.onnx --against runs/mine --frames drive.mp4 \\
          --sheet worst.png
    """
    path = resolve_model(model)
    if adapt.is_adaptation(against):
        adapt.verify(path, against, frames, {"--sheet": sheet, "--layers": layers})
        return
    with needs("export"):
        from unit_edge.export.verify import verify_file

    def show(errors: dict[str, float]) -> None:
        echo(f"{'layer':28} {'difference':>10}  (root mean square, of the run's)")
        for name, error in errors.items():
            echo(f"{name:28} {100 * error:8.3f} %")

    echo(verify_file(path, against, frames, sheet, show if layers else None, backend).summary())
