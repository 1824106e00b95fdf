"""The server: one translation, all its viewers, from the first frame to SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import ssl
from collections.abc import Callable
from contextlib import AsyncExitStack, ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from unit_edge.errors import ConfigError, UnitEdgeError
from unit_edge.runtime.serve.app import make_app
from unit_edge.runtime.serve.connections import Connections
from unit_edge.runtime.serve.figures import Meter
from unit_edge.runtime.serve.guard import Guard
from unit_edge.runtime.serve.live.controls import Controls
from unit_edge.runtime.serve.live.models import Choice, Models
from unit_edge.runtime.serve.live.translation import Source, Translation
from unit_edge.runtime.serve.settings import ServeSettings
from unit_edge.runtime.serve.site import Site
from unit_edge.runtime.serve.token import Token
from unit_edge.runtime.serve.uploads.jobs import UploadJobs
from unit_edge.runtime.serve.video.encoder import QUALITIES, FrameEncoder, SharedEncoder
from unit_edge.runtime.serve.video.h264 import H264Encoder
from unit_edge.runtime.serve.video.jpeg import JpegEncoder
from unit_edge.runtime.serve.video.webrtc import Viewers, offer_only
from unit_edge.runtime.sinks.codecs import Encoding

_EVERY_S = 1.0
_FINISH_S = 1.0
_BACKLOG = 128


@dataclass(frozen=True)
class ServeRequest:
    """What a server is asked to show.

    Attributes:
        source: what is translated.
        paths: of the models, by name.
        choices: the same models, as viewers are told of them.
        first: the one to begin with.
        settings: of the server.
        token: that viewers need; None for none.
        backend: what runs the models.
        threads: of the inference on a CPU; None for all cores.
        steady: whether flicker is taken out from the start.
    """

    source: Source
    paths: dict[str, Path]
    choices: list[Choice]
    first: str
    settings: ServeSettings
    token: Token | None = None
    backend: str = "auto"
    threads: int | None = None
    steady: bool = False


def serve(request: ServeRequest, *, say: Callable[[str], None], listening: Callable[[str], None]) -> None:
    """Serves until SIGTERM or SIGINT, in the main thread; recordings are finished then.

    A model or source that doesn't let go within 20 s of that ends the process, with exit code 1.

    `say` gets lines for the terminal, from any thread; `listening` is called once with the address, when
    viewers can come.

    Raises:
        UnitEdgeError: the port is taken, or no first frame comes out of source and model.
    """
    for name in ("aiohttp", "aiortc", "aioice", "asyncio"):  # what viewers do isn't the operator's to read
        logging.getLogger(name).setLevel(logging.CRITICAL)
    settings, tls = request.settings, _tls(request.settings)
    with ExitStack() as stack:
        listener = stack.enter_context(_listen(settings))
        translation = stack.enter_context(
            Translation(
                request.source,
                Models(request.paths, request.first, request.backend, request.threads),
                Controls(steady=request.steady),
                recordings=settings.recordings,
                encoding=Encoding(),
                say=say,
            )
        )
        asyncio.run(_serve(request, translation, listener, tls, listening))
    if translation.hangs:
        os._exit(1)  # ending Python would wait for, or crash in, what hangs
    if translation.broken is not None:
        raise translation.broken


async def _serve(
    request: ServeRequest,
    translation: Translation,
    listener: socket.socket,
    tls: ssl.SSLContext | None,
    listening: Callable[[str], None],
) -> None:
    settings = request.settings
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        with suppress(NotImplementedError):  # Windows
            loop.add_signal_handler(number, ended.set)
    offer_only(settings)
    async with AsyncExitStack() as stack:

        def encoders(make: Callable[[], FrameEncoder], kind: str) -> dict[str, SharedEncoder]:
            return {
                name: SharedEncoder(translation.hub, loop, width, make, f"{kind} {name}")
                for name, width in QUALITIES.items()
            }

        jpeg, h264 = encoders(JpegEncoder, "JPEG"), encoders(H264Encoder, "H.264")
        for encoder in (*jpeg.values(), *h264.values()):
            stack.push_async_callback(asyncio.to_thread, encoder.stop)
        webrtc = Viewers(h264, settings.webrtc_viewers)
        stack.push_async_callback(webrtc.close)
        meter = stack.enter_context(Meter(translation, (*jpeg.values(), *h264.values())))
        site = Site(
            settings=settings,
            source=request.source,
            translation=translation,
            meter=meter,
            choices=request.choices,
            paths=request.paths,
            jpeg=jpeg,
            h264=h264,
            webrtc=webrtc,
        )
        site.jobs = await stack.enter_async_context(
            UploadJobs(settings, request.backend, request.threads, site.changed)
        )
        guard = Guard(settings, request.token)
        guard.port = listener.getsockname()[1]
        runner: web.AppRunner
        connections = Connections(lambda: _protocol(runner), settings.connections)
        runner = web.AppRunner(
            make_app(site, guard, connections),
            access_log=None,
            handle_signals=False,
            shutdown_timeout=_FINISH_S,
            keepalive_timeout=60,
        )
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        server = await loop.create_server(connections, sock=listener, ssl=tls, backlog=_BACKLOG)
        stack.callback(server.close)
        listening(f"{settings.scheme}://{_shown_host(settings)}:{guard.port}/")
        watch = asyncio.create_task(_watch(site, ended))
        await ended.wait()
        site.stopping = True
        site.changed()
        watch.cancel()


def _protocol(runner: web.AppRunner) -> asyncio.Protocol:
    assert runner.server is not None, "set up before it listens"
    return runner.server()


async def _watch(site: Site, ended: asyncio.Event) -> None:
    """Reads the figures, and ends the server when the translation has ended for good."""
    while True:
        await asyncio.sleep(_EVERY_S)
        await asyncio.to_thread(site.meter.read)
        if site.translation.broken is not None:
            ended.set()


def _listen(settings: ServeSettings) -> socket.socket:
    where = f"{settings.host}:{settings.port}"
    try:
        family, _, _, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        both = family == socket.AF_INET6 and settings.host == "::" and socket.has_dualstack_ipv6()
        return socket.create_server(
            (address[0], address[1]), family=family, backlog=_BACKLOG, dualstack_ipv6=both
        )
    except (OSError, UnicodeError) as error:
        said = str(getattr(error, "strerror", None) or error)
        why, _, _ = said.partition(" (while ")  # what Python adds is the address again
        raise ConfigError(f"{where}: can't be listened on ({why}); give another --port or --host") from None


def _tls(settings: ServeSettings) -> ssl.SSLContext | None:
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key, password=_no_password)
    except (OSError, ssl.SSLError, UnitEdgeError) as error:
        raise ConfigError(
            f"{settings.tls_cert}, {settings.tls_key}: no certificate with its key ({error}); "
            "expected PEM files without a password"
        ) from None
    return context


def _no_password() -> str:
    raise ConfigError("the key has a password")


def _shown_host(settings: ServeSettings) -> str:
    """An address under which others reach this machine, where it listens on all."""
    host = settings.host
    if host in ("0.0.0.0", "::"):
        host = socket.gethostname()
        with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("192.0.2.1", 9))  # sends nothing; the system picks the address
            host = probe.getsockname()[0]
    return f"[{host}]" if ":" in host else host
