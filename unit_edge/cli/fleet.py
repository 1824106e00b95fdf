"""`fleet`: many clips on a Ray cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unit_edge.cli.options import outputs as cli_outputs
from unit_edge.cli.options.common import (
    BackendOption,
    FromOption,
    OwnModelOption,
    PrecisionOption,
    ToOption,
    checked_model,
    decided,
    needs,
)
from unit_edge.cli.options.limits import MIB_AT_MOST, SECONDS_AT_MOST
from unit_edge.cli.subjects.worker_size import cores_for_a_worker, parse_cpus
from unit_edge.cli.terminal.progress import FleetLine
from unit_edge.cli.terminal.say import echo
from unit_edge.errors import ConfigError
from unit_edge.interrupt import Interrupted
from unit_edge.text.printable import one_line

if TYPE_CHECKING:
    from unit_edge.runtime.fleet.items import Outcome


def fleet(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A folder, a pattern, a .txt with a path or URL a line, or an s3:// prefix.",
        ),
    ],
    destination: Annotated[str, typer.Argument(metavar="DESTINATION", help="A folder, or an s3:// prefix.")],
    to: ToOption = None,
    from_: FromOption = None,
    model: OwnModelOption = None,
    precision: PrecisionOption = "fp32",
    address: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="A Ray cluster: ray://HOST:10001, HOST:6379, auto. [default: one on this machine]",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=100_000, help="The most workers. [default: as many as there is room for]"),
    ] = None,
    cpus_per_worker: Annotated[
        str,
        typer.Option(metavar="N", help="CPU cores that each gets, or auto: what makes most frames here."),
    ] = "1",
    gpus_per_worker: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1024,
            metavar="N",
            help="GPUs that each gets, such as 0.5. [default: 1 if there are any]",
        ),
    ] = None,
    backend: BackendOption = "auto",
    segment: Annotated[
        float | None,
        typer.Option(
            min=1,
            max=SECONDS_AT_MOST,
            metavar="SECONDS",
            help="Cut longer clips at key frames, for several workers to translate; they are joined again.",
        ),
    ] = None,
    scratch: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where workers keep what is on its way from and to stores."),
    ] = None,
    scratch_gib: Annotated[
        float,
        typer.Option(
            min=0.001, max=MIB_AT_MOST / 1024, metavar="GIB", help="The most that a worker has there."
        ),
    ] = 20,
    overwrite: Annotated[bool, typer.Option("-y", "--overwrite", help="Make all anew.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Make what is missing.")] = False,
    audio: Annotated[bool, typer.Option("--audio/--no-audio", help="Keep the sound.")] = True,
    codec: cli_outputs.Codec = None,
    crf: cli_outputs.Crf = 18,
    preset: cli_outputs.Preset = "auto",
    steady: cli_outputs.Steady = False,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a report: .json or .html."),
    ] = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print nothing but errors.")] = False,
) -> None:
    """Translate many clips and pictures on a Ray cluster.

    From and to folders or object stores.

    \b
    Examples:
      unit-edge fleet recordings/ night/ --to night
      unit-edge fleet s3://drives/2026/ s3://drives-night/2026/ --to night \\
          --address ray://HEAD:10001
      unit-edge fleet 'recordings/*/front.mp4' night/ --to night --workers 4 \\
          --report night.html
      unit-edge fleet list.txt s3://drives-night/ --to night --resume

    Every clip is at the destination whole, under its name, or is named with its error, and the rest goes on;
    the exit code is 1 then. What is damaged anywhere isn't delivered. After Ctrl-C, or a crash, the same
    command with --resume makes what is missing.

    Stores take their keys from their own environment variables and config files.
    """
    if report is not None:
        from unit_edge.runtime.fleet.report import check_report

        check_report(report)
    with needs("fleet"):
        import fsspec  # noqa: F401

        from unit_edge.runtime.fleet.cluster import importable

        importable()
    from unit_edge.runtime.fleet.fleet import FleetRequest, carry_out_all, failures_of
    from unit_edge.runtime.fleet.items import Crew
    from unit_edge.runtime.fleet.storage.sources import a_clip
    from unit_edge.runtime.sinks.codecs import Encoding

    cpus = parse_cpus(cpus_per_worker)
    if cpus is None and address is not None:
        raise ConfigError(
            "--cpus-per-worker auto measures this machine, and with --address others work; give the number "
            "that it finds on one of those"
        )
    checked = checked_model(model, to, from_, precision)
    if address is None:
        backend = decided(backend, checked.manifest, checked.path, quiet=quiet).backend
    if cpus is None:
        clip = a_clip(source)
        if not quiet:
            echo("measuring how many cores a worker should have", err=True)
        cpus = cores_for_a_worker(checked, backend, clip)
        if not quiet:
            echo(f"--cpus-per-worker {cpus}", err=True)
    request = FleetRequest(
        source=source,
        destination=destination,
        model=checked,
        backend=backend,
        crew=Crew(workers=workers, cpus=cpus, gpus=gpus_per_worker),
        encoding=Encoding(crf=crf, preset=preset, audio=audio, codec=codec),
        steady=steady,
        overwrite=overwrite,
        resume=resume,
        address=address,
        scratch=None if scratch is None else str(scratch.absolute()),
        scratch_bytes=int(scratch_gib * 2**30),
        segment_s=segment,
    )
    line = FleetLine(quiet=quiet)

    def failed(outcome: Outcome) -> None:
        where = f" (on {outcome.node})" if outcome.node else ""
        name = one_line(outcome.name, 80)
        known = outcome.error.startswith((outcome.name, name))
        line.clear()
        echo(f"error: {'' if known else f'{name}: '}{outcome.error}{where}", err=True)

    result = carry_out_all(request, failed=failed, progress=line.draw)
    line.clear()
    if report is not None:
        result.write(report)
    if not quiet:
        fps = result.frames / result.seconds if result.seconds else 0.0
        there = f", {result.skipped} were there already" if result.skipped else ""
        echo(
            f"{result.destination}: {len(result.done)} of {result.total} clips{there}, {result.frames} "
            f"frames, {fps:.1f} FPS with {result.model}"
        )
    if result.stopped:
        if not quiet:
            echo("the same command with --resume makes what is missing", err=True)
        raise Interrupted(result.stopped_by)
    error = failures_of(result)
    if error is not None:
        raise error
