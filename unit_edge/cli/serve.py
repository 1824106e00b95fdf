"""`serve`: a page that shows a translation while it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unit_edge.cli.options import live as cli_live
from unit_edge.cli.options.common import (
    BackendOption,
    FromOption,
    PrecisionOption,
    ThreadsOption,
    ToOption,
    chosen_model,
    decided,
    needs,
)
from unit_edge.cli.options.limits import MIB_AT_MOST
from unit_edge.cli.terminal.say import echo
from unit_edge.errors import ConfigError
from unit_edge.registry import bundled_models
from unit_edge.text.address import parse_address


def serve(
    source: cli_live.InputArgument,
    to: ToOption = None,
    from_: FromOption = None,
    model: Annotated[
        list[str] | None,
        typer.Option(metavar="MODEL", help="Your own .onnx or .engine file, to begin with. May be repeated."),
    ] = None,
    precision: PrecisionOption = "fp32",
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Where to listen; others than loopback need a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any that is free.")] = 8090,
    token_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Keeps the token over restarts; made if it isn't there."),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A further name that browsers may call it by. May be repeated."),
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option(metavar="PEM", help="Certificate, for HTTPS.")] = None,
    tls_key: Annotated[Path | None, typer.Option(metavar="PEM", help="Its key.")] = None,
    recordings: Annotated[Path, typer.Option(metavar="DIR", help="Where recordings go.")] = Path(),
    uploads: Annotated[
        bool, typer.Option("--uploads/--no-uploads", help="Let viewers try clips of their own.")
    ] = True,
    upload_mib: Annotated[
        int, typer.Option(min=1, max=MIB_AT_MOST, metavar="MIB", help="The largest of these.")
    ] = 200,
    steady: Annotated[bool, typer.Option("--steady", help="Take flicker out from the start.")] = False,
    backend: BackendOption = "auto",
    threads: ThreadsOption = None,
    camera_size: cli_live.CameraSize = None,
    camera_fps: cli_live.CameraFps = None,
    fourcc: cli_live.Fourcc = None,
    raw_size: cli_live.RawSize = None,
    raw_fps: cli_live.RawFps = None,
    reconnect_for: cli_live.ReconnectFor = None,
) -> None:
    """Show a translation in any browser while it runs.

    \b
    Examples:
      unit-edge serve drive.mp4 --to night
      unit-edge serve 0 --camera-size 1280x720 --fourcc MJPG --to night \\
          --host 0.0.0.0
      unit-edge serve rtsp://USER:PASSWORD@HOST/stream --to night \\
          --token-file token
      unit-edge serve clips/ --model my-night.onnx --port 8091

    The page has a divider between before and after, the models to choose from, recording, snapshots, charts,
    and takes clips of your own. Files play in a loop, as a camera would give them: the newest frame wins.

    Ctrl-C or SIGTERM ends it, and finishes a recording.
    """
    with needs("serve"):
        from unit_edge.runtime.serve import server

    from unit_edge.runtime.backends.open import read_model
    from unit_edge.runtime.serve.live.models import choices_of
    from unit_edge.runtime.serve.live.translation import Source
    from unit_edge.runtime.serve.settings import ServeSettings
    from unit_edge.runtime.serve.token import token_of

    settings = ServeSettings(
        host=host,
        port=port,
        token_file=token_file,
        allow_hosts=tuple(allow_host or ()),
        tls_cert=tls_cert,
        tls_key=tls_key,
        recordings=recordings,
        uploads=uploads,
        upload_mib=upload_mib,
    )
    address = parse_address(source)
    options = cli_live.source_options(camera_size, camera_fps, fourcc, raw_size, raw_fps, reconnect_for, None)
    options.check(address)
    own = [chosen_model(name, None, None, precision) for name in model or []]
    paths = {path.stem: path for path in own}
    if len(paths) < len(own):
        raise ConfigError("two models have the same name; rename one")
    first = own[0].stem if own else chosen_model(None, to, from_, precision).stem
    bundled = bundled_models(precision=precision)
    paths |= {path.stem: path for path, _ in bundled if path.stem not in paths}
    choices = choices_of(paths)
    begin = next(choice for choice in choices if choice.name == first)
    if to not in (None, begin.target) or from_ not in (None, begin.source):
        raise ConfigError(
            f"{paths[first]}: translates {begin.source} to {begin.target}; give that, or no --to and --from"
        )
    decided(backend, read_model(paths[first]), paths[first])
    token = token_of(settings)

    def listening(url: str) -> None:
        if not settings.on_loopback and settings.scheme == "http":
            echo(
                "note: plain HTTP: who listens in this network sees the page and the token; give --tls-cert "
                "and --tls-key",
                err=True,
            )
        echo(f"{url}?token={token.secret}" if token is not None else url)

    server.serve(
        server.ServeRequest(
            source=Source(address, options),
            paths=paths,
            choices=choices,
            first=first,
            settings=settings,
            token=token,
            backend=backend,
            threads=threads,
            steady=steady,
        ),
        say=lambda text: echo(text, err=True),
        listening=listening,
    )
