"""The command line: each command parses, checks and calls one function; what is heavy is imported inside."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import sys
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from unit_edge import __version__
from unit_edge.cli import (
    adapt,
    bench,
    build,
    check,
    doctor,
    export,
    fleet,
    init,
    inspect,
    serve,
    train,
    translate,
)
from unit_edge.cli.evaluate import evaluate
from unit_edge.cli.options import outputs
from unit_edge.cli.options.common import (
    AsJson,
    ModelArgument,
    OverwriteOption,
    domains_text,
    option_name,
    refuse_existing,
)
from unit_edge.cli.terminal.narrow import fit_help
from unit_edge.cli.terminal.say import echo, echo_wide
from unit_edge.errors import UnitEdgeError
from unit_edge.interrupt import ending_what_hangs
from unit_edge.media.limits import PIXELS_AT_MOST
from unit_edge.media.quiet import keep_libraries_quiet
from unit_edge.registry import PRECISIONS, bundled_models, resolve_model
from unit_edge.text.printable import one_line, printable
from unit_edge.text.redaction import redact


class _Commands(TyperGroup):
    """Turns errors that are the user's to mend into one line and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise
        except (UnitEdgeError, OSError) as error:
            echo(f"error: {redact(one_line(error))}", err=True)
            raise typer.Exit(1) from None
        except ImportError as error:
            cause = _library_fault(error)
            if cause is None:
                raise
            echo(f"error: {cause}; `unit-edge doctor` says how to install what is missing", err=True)
            raise typer.Exit(1) from None
        except KeyboardInterrupt as error:
            echo("stopped", err=True)
            raise typer.Exit(128 + getattr(error, "signal_number", 2)) from None
        except Exception as error:
            message = getattr(error, "message", None)  # a usage error, as typed
            if isinstance(message, str) and type(error).__name__ != "NoArgsIsHelpError":
                error.message = printable(redact(message))  # type: ignore[attr-defined]
                error.show = partial(_show_usage, error)  # type: ignore[attr-defined]
            raise


def _library_fault(error: ImportError) -> str | None:
    """What is wrong with this installation, where a package is missing or can't load what it links to."""
    package = (error.name or "").partition(".")[0]
    if isinstance(error, ModuleNotFoundError):
        return f"{package} is not installed" if package and package != "unit_edge" else None
    if ".so" in (error.path or "") or ".pyd" in (error.path or ""):
        return f"{package} can't be loaded: {one_line(error)}"
    return None


def _show_usage(error: Any, file: object = None) -> None:
    """A usage error on one line."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "unit-edge"
    text = error.format_message().rstrip(".")
    echo(f"error: {' '.join(text.split())}; `{command} --help` has what there is", err=True)


app = typer.Typer(
    name="unit-edge",
    cls=_Commands,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
        "token_normalize_func": option_name,
    },
)


def main() -> None:
    """Runs a command and ends the process with its exit status."""
    keep_libraries_quiet()
    # OpenCV's own complaints would come beside the one line that says what is wrong.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")
    # A header may claim 2^30 pixels in a few bytes, and they would be made room for.
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(PIXELS_AT_MOST))
    # what a terminal's encoding lacks is written out, in tables and progress too
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    with ending_what_hangs():
        app(prog_name="unit-edge", terminal_width=fit_help())


def _print_version(wanted: bool) -> None:
    if wanted:
        echo(f"unit-edge {__version__}")
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
      unit-edge init day night --data DATA -o my.toml
      unit-edge train my.toml --data DATA
      unit-edge evaluate runs/my
      unit-edge export runs/my --to night -o my-night.onnx
      unit-edge translate drive.mp4 --model my-night.onnx
    See what this machine can do, and what is missing:
      unit-edge doctor

    Every command exits with 0 if all went well, and otherwise says in one line what to do.
    """


app.command()(translate.translate)
app.command()(serve.serve)
app.command()(fleet.fleet)


@app.command()
def models(as_json: AsJson = False) -> None:
    """List the bundled models."""
    bundled = [model for precision in PRECISIONS for model in bundled_models(precision=precision)]
    if as_json:
        rows = [{"path": str(path), **dataclasses.asdict(manifest)} for path, manifest in bundled]
        echo(json.dumps(rows, indent=2))
        return
    for path, manifest in bundled:
        size_mib = path.stat().st_size / 2**20
        what = f"{manifest.name:25} {domains_text(manifest):16} {manifest.precision:5}"
        echo_wide(f"{what} {size_mib:5.1f} MiB")


@app.command()
def info(model: ModelArgument, as_json: AsJson = False) -> None:
    """Show what a model is and was made from.

    The file is compared with its manifest first. `unit-edge inspect` looks into it.
    """
    from unit_edge.manifests.model import size_text
    from unit_edge.runtime.backends.open import read_model

    path = resolve_model(model)
    manifest = read_model(path)
    if as_json:
        echo(json.dumps({"path": str(path), **dataclasses.asdict(manifest)}, indent=2))
        return
    size = f"short side {manifest.network_short_side}"
    if manifest.network_size is not None:
        size = "{}x{}".format(*manifest.network_size)
    lines = {
        "model": f"{manifest.name} ({path})",
        "translates": domains_text(manifest),
        "frames": f"{size_text(manifest.input)}, uint8 BGR",
        "network": f"{manifest.preset}, {size}, {manifest.precision}",
        "detail": manifest.detail,
        "made from": _pairs(manifest.made_from),
        "made with": _pairs(manifest.versions),
        "sha256": manifest.sha256,
    }
    for name, value in lines.items():
        echo_wide(f"{name:10} {value}", 11)


@app.command()
def sheet(
    before: Annotated[Path, typer.Argument(help="The original video or image.")],
    after: Annotated[Path, typer.Argument(help="Its translation.")],
    output: Annotated[Path, typer.Argument(help="The contact sheet, a .png or .jpg.")],
    count: Annotated[
        int, typer.Option("-n", "--count", min=1, max=200, help="Moments, spread over the clip.")
    ] = 6,
    start: Annotated[
        str | None, typer.Option(metavar="TIME", help="Where in the original the translation begins.")
    ] = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Make a before/after contact sheet.

    The original is on the left, its translation on the right.

    \b
    Example:
      unit-edge sheet drive.mp4 drive-night.mp4 sheet.png -n 4
    """
    from unit_edge.runtime.sheet import contact_sheet

    refuse_existing(output, overwrite)
    contact_sheet(before, after, output, count=count, start=outputs.seconds(start) or Fraction(0))
    echo(f"{output}: before and after")


for _command in (
    init.init,
    init.configs,
    train.train,
    evaluate,
    check.check,
    export.export,
    export.verify,
    build.build,
    inspect.inspect,
    inspect.boards,
    bench.bench,
    doctor.doctor,
    adapt.adapt,
    adapt.accuracy,
):
    app.command()(_command)


def _pairs(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items()) or "not stated"


if __name__ == "__main__":
    main()
