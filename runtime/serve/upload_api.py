"""The part of the API that takes clips and pictures, and gives their translations."""

from __future__ import annotations

import asyncio
from pathlib import Path

from aiohttp import web

from unit_edge.errors import ConfigError
from unit_edge.runtime.serve.guard import refused
from unit_edge.runtime.serve.site import SITE, Site
from unit_edge.runtime.serve.uploads.jobs import UploadJobs
from unit_edge.runtime.sinks.images import write_image

_KINDS = ("translate", "gallery")
_TYPES = {".mp4": "video/mp4", ".png": "image/png"}


def _jobs(site: Site) -> UploadJobs:
    assert site.jobs is not None, "made before the server listens"
    return site.jobs


async def take(request: web.Request) -> web.Response:
    site = request.app[SITE]
    kind, name = (
        request.query.get("kind", "translate"),
        request.query.get("model", site.translation.models.name),
    )
    if kind not in _KINDS:
        raise ConfigError(f"no such kind; expected {' or '.join(_KINDS)}")
    if name not in site.paths:
        raise ConfigError(f"there is no such model; known: {', '.join(site.paths)}")
    models = site.paths if kind == "gallery" else {name: site.paths[name]}
    job = await _jobs(site).take(request.content.iter_any(), kind, models, request.content_length)
    return web.json_response(job.as_dict(), status=201)


async def gallery_of_live(request: web.Request) -> web.Response:
    site = request.app[SITE]
    pair = site.translation.hub.newest
    if pair is None:
        return refused(503, "there is no frame yet")
    before = pair.before

    def write(path: Path) -> None:
        write_image(path, before)

    job = await asyncio.to_thread(_jobs(site).take_picture, write, site.paths)
    return web.json_response(_jobs(site).queue(job).as_dict(), status=201)


async def show(request: web.Request) -> web.Response:
    job = _jobs(request.app[SITE]).get(request.match_info["id"])
    if job is None:
        return refused(404, "there is no such upload; they are removed after a while")
    return web.json_response(job.as_dict())


async def remove(request: web.Request) -> web.Response:
    if not _jobs(request.app[SITE]).remove(request.match_info["id"]):
        return refused(404, "there is no such upload; they are removed after a while")
    return web.Response(status=204)


async def result(request: web.Request) -> web.StreamResponse:
    path = _jobs(request.app[SITE]).file(request.match_info["id"], request.match_info["name"])
    if path is None:
        return refused(404, "there is no such result")
    response = web.FileResponse(path)
    response.content_type = _TYPES[path.suffix]
    if "download" in request.query:
        response.headers["Content-Disposition"] = f'attachment; filename="{path.name}"'
    return response
