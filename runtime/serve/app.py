"""Routes, and what happens around every request."""

from __future__ import annotations

import asyncio

from aiohttp import web

from unit_edge.errors import ConfigError, UnitEdgeError
from unit_edge.runtime.serve import api, upload_api
from unit_edge.runtime.serve.connections import Connections
from unit_edge.runtime.serve.guard import Guard, Handler, add_headers, refused
from unit_edge.runtime.serve.page import PageFile, page_files
from unit_edge.runtime.serve.site import SITE, Site
from unit_edge.runtime.serve.uploads.jobs import RefusedError

_ROUTES: dict[str, Handler] = {
    "GET /api/state": api.state,
    "GET /api/models": api.models,
    "GET /api/clock": api.clock,
    "GET /api/openapi.json": api.openapi,
    "GET /api/events": api.events,
    "GET /api/snapshot.png": api.snapshot,
    "GET /stream.mjpeg": api.stream,
    "GET /metrics": api.metrics,
    "GET /healthz": api.healthz,
    "POST /api/model": api.choose_model,
    "POST /api/record": api.record,
    "POST /api/pause": api.pause,
    "POST /api/steady": api.steady,
    "POST /api/webrtc": api.webrtc,
    "POST /api/uploads": upload_api.take,
    "POST /api/gallery": upload_api.gallery_of_live,
    "GET /api/uploads/{id}": upload_api.show,
    "DELETE /api/uploads/{id}": upload_api.remove,
    "GET /api/uploads/{id}/{name}": upload_api.result,
}


def make_app(site: Site, guard: Guard, connections: Connections) -> web.Application:
    """The application; `connections` are told when requests begin and end."""

    @web.middleware
    async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
        connections.request_begins(request)
        try:
            return guard.refusal(request) or await handler(request)
        except RefusedError as error:
            return refused(error.status, api.explained(error))
        except UnitEdgeError as error:
            return refused(400 if isinstance(error, ConfigError) else 503, api.explained(error))
        except web.HTTPException as error:
            allowed = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
            return web.json_response({"error": error.reason}, status=error.status, headers=allowed)
        except asyncio.TimeoutError:
            return refused(408, "the request comes too slowly")
        finally:
            connections.request_ends(request)

    app = web.Application(middlewares=[around], client_max_size=api.BODY_AT_MOST)
    app[SITE] = site
    app.on_response_prepare.append(add_headers)
    for route, handler in _ROUTES.items():
        method, path = route.split()
        if method == "GET":
            app.router.add_get(path, handler, allow_head=path not in ("/api/events", "/stream.mjpeg"))
        else:
            app.router.add_route(method, path, handler)
    for path, file in page_files().items():
        app.router.add_get(path, _of(file))
    return app


def _of(file: PageFile) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        headers = {"ETag": f'"{file.etag}"', "Cache-Control": "no-cache"}
        if request.headers.get("If-None-Match") == headers["ETag"]:
            return web.Response(status=304, headers=headers)
        return web.Response(body=file.content, content_type=file.type, charset="utf-8", headers=headers)

    return handler
