"""The command line: each command parses, checks and calls one function; what is heavy is imported inside."""

from __future__ import annotations

import json
import os
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from unit_edge import (
    __version__,
    cli_adapt,
    cli_build,
    cli_doctor,
    cli_inspect,
    cli_live,
    cli_outputs,
    cli_train,
)
from unit_edge.address import LIVE_KINDS, parse_address, redact
from unit_edge.cli_common import ModelArgument, frame_size
from unit_edge.cli_evaluate import evaluate
from unit_edge.errors import ConfigError, UnitEdgeError
from unit_edge.progress import Progress
from unit_edge.registry import bundled_models, find_model, resolve_model

if TYPE_CHECKING:
    from collections.abc import Callable

    from unit_edge.manifest import Manifest
    from unit_edge.runtime.choice import Decision
    from unit_edge.runtime.pipeline import Stats


class _Commands(TyperGroup):
    """Turns errors that are the user's to mend into one line and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise
        except (UnitEdgeError, OSError) as error:
            typer.echo(f"error: {redact(' '.join(str(error).split()))}", err=True)
            raise typer.Exit(1) from None
        except KeyboardInterrupt as error:
            typer.echo("stopped", err=True)
            raise typer.Exit(128 + getattr(error, "signal_number", 2)) from None
        except Exception as error:
            if isinstance(message := getattr(error, "message", None), str):  # a usage error, as typed
                error.message = redact(message)  # type: ignore[attr-defined]
            raise


app = typer.Typer(
    name="unit-edge",
    cls=_Commands,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def main() -> None:
    """The console script."""
    # OpenCV's own complaints would come beside the one line that says what is wrong.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")
    app()


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"unit-edge {__version__}")
        raise typer.Exit


@app.callback()
def _about(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Translate videos between domains (day and night, clear and snow) with UNIT.

    \b
    Translate a video with a bundled model:
      unit-edge translate drive.mp4 --to night
    Train your own, export it, use it:
      unit-edge train my.toml --run runs/my
      unit-edge evaluate runs/my
      unit-edge export runs/my --to night -o my-night.onnx
      unit-edge translate drive.mp4 --model my-night.onnx
    See what this machine can do, and what is missing:
      unit-edge doctor

    Every command exits with 0 if all went well, and otherwise says in one line what to do.
    """


_Engine = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="What runs the model: auto, onnxruntime, onnxruntime-cuda, openvino, tensorrt."
    ),
]
_Threads = Annotated[int | None, typer.Option(min=1, help="CPU threads for the model. [default: all cores]")]


@app.command()
def translate(
    source: cli_live.InputArgument,
    to: Annotated[str | None, typer.Option(metavar="DOMAIN", help="What it shall look like: night.")] = None,
    from_: Annotated[
        str | None, typer.Option("--from", metavar="DOMAIN", help="What it is, where several models fit.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Your own .onnx or .engine file, instead of a bundled model."),
    ] = None,
    output: cli_outputs.Outputs = None,
    raw_format: cli_outputs.RawFormat = "yuv4mpegpipe",
    engine: _Engine = "auto",
    threads: _Threads = None,
    overwrite: Annotated[bool, typer.Option("-y", "--overwrite", help="Replace an existing OUTPUT.")] = False,
    audio: Annotated[bool, typer.Option("--audio/--no-audio", help="Keep the sound.")] = True,
    codec: cli_outputs.Codec = None,
    crf: cli_outputs.Crf = 18,
    preset: cli_outputs.Preset = "veryfast",
    show: cli_outputs.Show = False,
    side_by_side: cli_outputs.SideBySide = False,
    steady: cli_outputs.Steady = False,
    size: cli_outputs.Size = None,
    start: cli_outputs.Start = None,
    duration: cli_outputs.Duration = None,
    sheet_path: Annotated[
        Path | None, typer.Option("--sheet", metavar="PNG", help="Also make a before/after contact sheet.")
    ] = None,
    camera_size: cli_live.CameraSize = None,
    camera_fps: cli_live.CameraFps = None,
    fourcc: cli_live.Fourcc = None,
    raw_size: cli_live.RawSize = None,
    raw_fps: cli_live.RawFps = None,
    reconnect_for: cli_live.ReconnectFor = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print nothing but errors.")] = False,
) -> None:
    """Translate a video, images, or what a camera or stream gives.

    \b
    Examples:
      unit-edge translate drive.mp4 --to night
      unit-edge translate drive.mp4 --to snow -o winter.mp4 --sheet winter.png
      unit-edge translate photo.jpg --to night
      unit-edge translate frames/ --model my-night.onnx -o frames-night/
      unit-edge translate 0 --camera-size 1280x720 --fourcc MJPG --to night -o out.mp4
      unit-edge translate rtsp://USER:PASSWORD@HOST/stream --to night -o out.mp4 --duration 60
      ffmpeg -i drive.mp4 -f rawvideo -pix_fmt bgr24 - | unit-edge translate - --raw-size 1280x720 --to night
      unit-edge translate drive.mp4 --to night --start 1:30 --duration 10 --side-by-side
      unit-edge translate drive.mp4 --to night -o night.mp4 -o udp://192.168.1.5:5000
      unit-edge translate drive.mp4 --to night -o - | ffplay -
      unit-edge translate drive.mp4 --to night --show

    Frame count, times, size and sound of a video are kept. Codecs need even sizes: an odd width or height
    grows by one pixel. Ctrl-C leaves a playable file with the frames so far; a second one discards it. A
    video that is damaged in the middle is translated up to there, and the exit code is 1.

    Of a camera or stream it is always the newest frame that is translated, others are dropped. One that is
    lost is connected to again, and the recording goes on with right times.
    """
    if show:  # before anything loads PyAV, or the window would hang
        from unit_edge.runtime.show import translate_in_window

    from unit_edge.runtime.codecs import Encoding
    from unit_edge.runtime.excerpt import Excerpt
    from unit_edge.runtime.look import Look
    from unit_edge.runtime.outputs import parse_output
    from unit_edge.runtime.runner import read_model
    from unit_edge.runtime.sheet import contact_sheet
    from unit_edge.runtime.translate import Beside, check_outputs, default_output
    from unit_edge.runtime.translate import translate as translate_files

    run_translation: Callable[..., Stats] = translate_files
    if show:
        run_translation = translate_in_window

    if model is not None:
        model_path = resolve_model(model)
    elif to is not None:
        model_path = find_model(to, from_)
    else:
        raise ConfigError("say what to translate to: --to DOMAIN, or --model FILE.onnx")
    manifest = read_model(model_path)
    if to not in (None, manifest.target) or from_ not in (None, manifest.source):
        raise ConfigError(f"{model_path}: translates {_domains(manifest)}; give that, or no --to and --from")
    default = [] if show else [str(default_output(source, manifest.target))]
    outputs = [parse_output(text) for text in output or default]
    files = [item.path for item in outputs if item.kind == "file"]
    made = ", ".join(item.name for item in outputs) or "shown"
    address, length = parse_address(source), cli_outputs.seconds(duration)
    live = address.kind in LIVE_KINDS
    options = cli_live.source_options(
        camera_size, camera_fps, fourcc, raw_size, raw_fps, reconnect_for, length if live else None
    )
    options.check(address)
    if sheet_path is not None and address.kind not in ("path", "images"):
        raise ConfigError(f"--sheet needs a file that can be read again; {address.name} is none")
    if sheet_path is not None and not files:
        raise ConfigError("--sheet is made from a video file; give one with -o")
    encoding = Encoding(crf=crf, preset=preset, audio=audio, codec=codec)
    excerpt = Excerpt(cli_outputs.seconds(start) or Fraction(0), None if live else length)
    look = Look(side_by_side=side_by_side, size=frame_size(size))
    if sheet_path is not None and not sheet_path.absolute().parent.is_dir():
        raise ConfigError(f"{sheet_path}: there is no folder {sheet_path.parent}; make it first")
    check_outputs(source, outputs, overwrite=overwrite, encoding=encoding)
    to_stdout = any(item.kind == "raw" for item in outputs)
    decision = _decided(engine, manifest, model_path, quiet=quiet)
    display = Progress(quiet=quiet, reason=decision.reason, to_stderr=to_stdout)
    with cli_outputs.stdout_for_frames(to_stdout) as raw_to, display.reporting(made, manifest.name):
        run_translation(
            source,
            [item.path if item.kind == "file" else item.target for item in outputs],
            model_path,
            engine=decision.engine,
            threads=threads,
            encoding=encoding,
            excerpt=excerpt,
            look=look,
            steady=steady,
            beside=Beside(raw_to=raw_to, raw_format=raw_format, notice=display.warn),
            overwrite=overwrite,
            options=options,
            notice=display.notice,
            started=display.start,
            progress=display.update,
        )
    if sheet_path is not None:
        contact_sheet(address.path, files[0], sheet_path, start=excerpt.start)
        if not quiet:
            typer.echo(f"{sheet_path}: before and after", err=to_stdout)


@app.command()
def models() -> None:
    """List the bundled models."""
    for path, manifest in bundled_models():
        size_mib = path.stat().st_size / 2**20
        typer.echo(f"{manifest.name:20} {_domains(manifest):16} {manifest.precision:5} {size_mib:5.1f} MiB")


@app.command()
def info(model: ModelArgument) -> None:
    """Show what a model is and was made from.

    The file is compared with its manifest first. `unit-edge inspect` looks into it.
    """
    from unit_edge.runtime.runner import read_model, size_text

    path = resolve_model(model)
    manifest = read_model(path)
    size = f"short side {manifest.network_short_side}"
    if manifest.network_size is not None:
        size = "{}x{}".format(*manifest.network_size)
    lines = {
        "model": f"{manifest.name} ({path})",
        "translates": _domains(manifest),
        "frames": f"{size_text(manifest.input)}, uint8 BGR",
        "network": f"{manifest.preset}, {size}, {manifest.precision}",
        "detail": manifest.detail,
        "made from": _pairs(manifest.made_from),
        "made with": _pairs(manifest.versions),
        "sha256": manifest.sha256,
    }
    for name, value in lines.items():
        typer.echo(f"{name:10} {value}")


@app.command()
def sheet(
    before: Annotated[Path, typer.Argument(help="The original video or image.")],
    after: Annotated[Path, typer.Argument(help="Its translation.")],
    output: Annotated[Path, typer.Argument(help="The contact sheet, a .png or .jpg.")],
    count: Annotated[int, typer.Option("-n", "--count", min=1, help="Moments, spread over the clip.")] = 6,
    start: Annotated[
        str | None, typer.Option(metavar="TIME", help="Where in the original the translation begins.")
    ] = None,
) -> None:
    """Make a before/after contact sheet.

    The original is on the left, its translation on the right.

    \b
    Example:
      unit-edge sheet drive.mp4 drive-night.mp4 sheet.png -n 4
    """
    from unit_edge.runtime.sheet import contact_sheet

    contact_sheet(before, after, output, count=count, start=cli_outputs.seconds(start) or Fraction(0))
    typer.echo(f"{output}: before and after")


@app.command()
def bench(
    model: ModelArgument,
    video: Annotated[Path | None, typer.Option(help="Measure on this clip, all stages included.")] = None,
    size: Annotated[str | None, typer.Option(metavar="WxH", help="Frame size, without a clip.")] = None,
    frames: Annotated[int, typer.Option(min=1, help="How many frames to measure.")] = 50,
    engine: _Engine = "auto",
    threads: _Threads = None,
) -> None:
    """Measure how fast a model runs here.

    The last line is JSON; times are in ms.

    \b
    Examples:
      unit-edge bench day-to-night --size 1280x720
      unit-edge bench my-night.onnx --video drive.mp4 --frames 200
    """
    from unit_edge.runtime.benchmark import benchmark
    from unit_edge.runtime.runner import open_runner, read_model

    path = resolve_model(model)
    decision = _decided(engine, read_model(path), path)
    with open_runner(path, decision.engine, threads=threads) as runner:
        result = benchmark(runner, frames=frames, size=frame_size(size), video=video)
    result["engine_reason"] = decision.reason or "asked for"
    for name, value in result.items():
        typer.echo(f"{name:16} {value}")
    typer.echo(json.dumps(result))


for _command in (
    cli_train.train,
    evaluate,
    cli_train.export,
    cli_train.verify,
    cli_build.build,
    cli_inspect.inspect,
    cli_inspect.boards,
    cli_doctor.doctor,
    cli_adapt.adapt,
    cli_adapt.accuracy,
):
    app.command()(_command)


def _decided(engine: str, manifest: Manifest, model: Path, *, quiet: bool = False) -> Decision:
    """What runs the model; a note about it is printed."""
    from unit_edge.runtime.choice import decide
    from unit_edge.runtime.runner import ENGINE_SUFFIX

    decision = decide(engine, manifest, plan=model.suffix.lower() == ENGINE_SUFFIX)
    if decision.note and not quiet:
        typer.echo(f"note: {decision.note}", err=True)
    return decision


def _domains(manifest: Manifest) -> str:
    return f"{manifest.source} to {manifest.target}"


def _pairs(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items()) or "not stated"


if __name__ == "__main__":
    main()
