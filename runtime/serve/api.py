"""The API: state, and what viewers may do. What each takes and gives is in openapi.py."""

from __future__ import annotations

import asyncio
import json
import time
from functools import partial
from typing import Any

import numpy as np
from aiohttp import web

from unit_edge.errors import ConfigError, SinkError, UnitEdgeError
from unit_edge.files.reading import parse_json
from unit_edge.media.png import png_bytes
from unit_edge.runtime.serve.guard import refused
from unit_edge.runtime.serve.metrics import CONTENT_TYPE, metrics_of
from unit_edge.runtime.serve.openapi import document
from unit_edge.runtime.serve.site import SITE, Site
from unit_edge.runtime.serve.threads import in_thread
from unit_edge.runtime.serve.video.encoder import QUALITIES
from unit_edge.runtime.serve.video.jpeg import send_jpegs
from unit_edge.text.printable import one_line
from unit_edge.text.redaction import redact

BODY_AT_MOST = 64 << 10
_BODY_S = 10.0
_EVENTS_S = 1.0
_EVENTS_APART_S = 0.1
_EVENT_STUCK_S = 20.0


async def state(request: web.Request) -> web.Response:
    return web.json_response(request.app[SITE].state())


async def models(request: web.Request) -> web.Response:
    return web.json_response(request.app[SITE].models())


async def clock(_: web.Request) -> web.Response:
    """The clock that frames are stamped with."""
    return web.json_response({"now_s": time.monotonic()})


async def openapi(request: web.Request) -> web.Response:
    return web.json_response(document(request.app[SITE].settings.upload_mib))


async def healthz(request: web.Request) -> web.Response:
    well = request.app[SITE].translation.well
    return web.Response(status=200 if well else 503, text="ok\n" if well else "nothing is translated\n")


async def metrics(request: web.Request) -> web.Response:
    return web.Response(body=metrics_of(request.app[SITE]), headers={"Content-Type": CONTENT_TYPE})


async def choose_model(request: web.Request) -> web.Response:
    site = request.app[SITE]
    given = await _fields(request, {"model": str})
    if given["model"] not in site.paths:
        raise ConfigError(f"there is no such model; known: {', '.join(site.paths)}")
    if site.loading is not None:
        return refused(409, f"{site.loading} is being loaded; try again then")
    site.loading = given["model"]
    site.changed()
    try:
        await in_thread(partial(site.translation.choose, given["model"]))
    finally:
        site.loading = None
    return _done(site)


async def record(request: web.Request) -> web.Response:
    site = request.app[SITE]
    site.translation.record((await _fields(request, {"on": bool}))["on"])
    return _done(site)


async def pause(request: web.Request) -> web.Response:
    site = request.app[SITE]
    site.translation.controls.pause((await _fields(request, {"on": bool}))["on"])
    return _done(site)


async def steady(request: web.Request) -> web.Response:
    site = request.app[SITE]
    site.translation.controls.steady = (await _fields(request, {"on": bool}))["on"]
    return _done(site)


async def snapshot(request: web.Request) -> web.Response:
    pair = request.app[SITE].translation.hub.newest
    if pair is None:
        return refused(503, "there is no frame yet")
    both = np.concatenate([pair.before, pair.after], axis=1)
    try:
        data = await asyncio.to_thread(png_bytes, both)
    except SinkError as error:
        return refused(500, str(error))
    disposition = f'attachment; filename="unit-edge-{pair.number}.png"'
    return web.Response(body=data, headers={"Content-Type": "image/png", "Content-Disposition": disposition})


async def stream(request: web.Request) -> web.StreamResponse:
    site = request.app[SITE]
    encoder = site.jpeg[_quality(request.query.get("quality", "high"))]
    site.mjpeg_viewers += 1
    site.changed()
    try:
        return await send_jpegs(request, encoder)
    finally:
        site.mjpeg_viewers -= 1
        site.changed()


async def webrtc(request: web.Request) -> web.Response:
    site = request.app[SITE]
    given = await _fields(request, {"sdp": str, "quality": str})
    quality = _quality(given["quality"])
    if site.webrtc.full:
        return refused(503, f"{site.webrtc.count} viewers are connected already; take the JPEGs")
    answer = await site.webrtc.answer(given["sdp"], quality)
    site.changed()
    return web.json_response({"sdp": answer})


async def events(request: web.Request) -> web.StreamResponse:
    """The state again each second, and as soon as something changes."""
    site = request.app[SITE]
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
    await response.prepare(request)
    site.event_viewers += 1
    try:
        while not site.stopping:
            data = json.dumps(site.state(), separators=(",", ":"))
            await asyncio.wait_for(response.write(f"data: {data}\n\n".encode()), _EVENT_STUCK_S)
            await asyncio.sleep(_EVENTS_APART_S)  # progress of uploads changes it with each frame
            await site.changed.wait(_EVENTS_S - _EVENTS_APART_S)
    except (ConnectionError, asyncio.TimeoutError):
        if request.transport is not None:
            request.transport.abort()
    finally:
        site.event_viewers -= 1
    return response


def _quality(given: str) -> str:
    if given not in QUALITIES:
        raise ConfigError(f"no such quality; expected {' or '.join(QUALITIES)}")
    return given


def _done(site: Site) -> web.Response:
    site.changed()
    return web.json_response(site.state())


async def _fields(request: web.Request, wanted: dict[str, type]) -> dict[str, Any]:
    """The fields of a JSON object, of which each must be there and of its type.

    Raises:
        ConfigError: the body is something else.
    """
    expected = ", ".join(f'"{name}": {kind.__name__}' for name, kind in wanted.items())
    complaint = ConfigError(f"expected a JSON object {{{expected}}} as application/json")
    if request.content_type != "application/json":
        raise complaint
    body = await asyncio.wait_for(request.read(), _BODY_S)
    try:
        given = parse_json(body)
    except ValueError:
        raise complaint from None
    if not isinstance(given, dict) or set(given) != set(wanted):
        raise complaint
    if any(type(given[name]) is not kind for name, kind in wanted.items()):
        raise complaint
    return given


def explained(error: UnitEdgeError) -> str:
    """What a viewer is told: no password, and no line breaks."""
    return redact(one_line(error))
