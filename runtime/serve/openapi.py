"""The API as an OpenAPI document."""

from __future__ import annotations

from typing import Any

from unit_edge import __version__
from unit_edge.runtime.serve.guard import MARK
from unit_edge.runtime.serve.video.encoder import QUALITIES

_ERROR = {"$ref": "#/components/schemas/Error"}
_ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}


def document(upload_mib: int) -> dict[str, Any]:
    """The document, of version 3.1; `upload_mib` is the largest upload."""
    quality = {"name": "quality", "in": "query", "schema": {"type": "string", "enum": list(QUALITIES)}}
    kind = {"name": "kind", "in": "query", "schema": {"type": "string", "enum": ["translate", "gallery"]}}
    model = {"name": "model", "in": "query", "schema": {"type": "string"}}
    name = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
    switch = _object({"on": {"type": "boolean"}})
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "unit-edge serve",
            "version": __version__,
            "description": f"POST and DELETE need the header {MARK}, with any value. Where the server asks "
            "for a token, it goes into `Authorization: Bearer TOKEN`.",
        },
        "paths": {
            "/api/state": {"get": _get("All that the page shows", "State")},
            "/api/models": {"get": _get("The models that can be chosen", "Models")},
            "/api/clock": {"get": _get("The clock that frames are stamped with", "Clock")},
            "/api/openapi.json": {"get": _get("This document", None)},
            "/api/events": {"get": _raw("The state each second, and when it changes", "text/event-stream")},
            "/api/snapshot.png": {"get": _raw("The frame on show: both halves", "image/png", "503")},
            "/stream.mjpeg": {
                "get": _raw("Both halves, JPEG by JPEG", "multipart/x-mixed-replace", "400")
                | {"parameters": [quality]}
            },
            "/metrics": {"get": _raw("Figures for Prometheus", "text/plain")},
            "/healthz": {"get": _raw("Whether frames are translated; needs no token", "text/plain", "503")},
            "/api/model": {
                "post": _post("Choose a model", _object({"model": {"type": "string"}}), "State", "409", "503")
            },
            "/api/record": {"post": _post("Start or finish a recording", switch, "State")},
            "/api/pause": {"post": _post("Hold the frame on show, or go on", switch, "State")},
            "/api/steady": {"post": _post("Take flicker out, or don't", switch, "State")},
            "/api/webrtc": {
                "post": _post(
                    "Connect by WebRTC",
                    _object(
                        {"sdp": {"type": "string"}, "quality": {"type": "string", "enum": list(QUALITIES)}}
                    ),
                    "Answer",
                    "503",
                )
            },
            "/api/uploads": {
                "post": {
                    "summary": f"Give a clip or picture of at most {upload_mib} MiB to be translated",
                    "parameters": [kind, model, _mark()],
                    "requestBody": {
                        "required": True,
                        "content": {
                            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
                        },
                    },
                    "responses": _responses(
                        {"201": _json("Taken", "Upload")}, "400", "403", "408", "413", "415", "429", "507"
                    ),
                }
            },
            "/api/gallery": {
                "post": {
                    "summary": "Translate the frame on show by all models",
                    "parameters": [_mark()],
                    "responses": _responses({"201": _json("Taken", "Upload")}, "403", "429", "503", "507"),
                }
            },
            "/api/uploads/{id}": {
                "get": _get("How far an upload is", "Upload", "404") | {"parameters": [_ID]},
                "delete": {
                    "summary": "Forget an upload",
                    "parameters": [_ID, _mark()],
                    "responses": _responses({"204": {"description": "Forgotten"}}, "404"),
                },
            },
            "/api/uploads/{id}/{name}": {
                "get": {
                    "summary": "A result: a video or picture; `download` in the query has browsers keep it",
                    "parameters": [_ID, name],
                    "responses": _responses(
                        {
                            "200": {"description": "The file"},
                            "206": {"description": "A part of it"},
                            "416": {"description": "There is no such part"},
                        },
                        "404",
                    ),
                }
            },
        },
        "components": {"schemas": _SCHEMAS},
    }


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _mark() -> dict[str, Any]:
    return {
        "name": MARK,
        "in": "header",
        "required": True,
        "schema": {"type": "string", "pattern": "^[a-z0-9]+$"},
    }


def _json(description: str, schema: str | None) -> dict[str, Any]:
    about = {"type": "object"} if schema is None else {"$ref": f"#/components/schemas/{schema}"}
    return {"description": description, "content": {"application/json": {"schema": about}}}


def _responses(good: dict[str, Any], *statuses: str) -> dict[str, Any]:
    errors = {
        status: {"description": "An error", "content": {"application/json": {"schema": _ERROR}}}
        for status in ("401", "403", *statuses)
    }
    return good | errors


def _get(summary: str, schema: str | None, *statuses: str) -> dict[str, Any]:
    return {"summary": summary, "responses": _responses({"200": _json("As asked", schema)}, *statuses)}


def _raw(summary: str, content: str, *statuses: str) -> dict[str, Any]:
    good: dict[str, Any] = {"200": {"description": "As asked", "content": {content: {}}}}
    if "503" in statuses and content == "text/plain":
        return {
            "summary": summary,
            "responses": good | {"503": {"description": "No", "content": {content: {}}}},
        }
    return {"summary": summary, "responses": _responses(good, *statuses)}


def _post(summary: str, body: dict[str, Any], schema: str, *statuses: str) -> dict[str, Any]:
    return {
        "summary": summary,
        "parameters": [_mark()],
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": _responses({"200": _json("Done", schema)}, "400", "408", "413", *statuses),
    }


_MODEL = {name: {"type": "string"} for name in ("name", "source", "target")}
_SCHEMAS: dict[str, Any] = {
    "Error": {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]},
    "Clock": {"type": "object", "properties": {"now_s": {"type": "number"}}, "required": ["now_s"]},
    "Answer": {"type": "object", "properties": {"sdp": {"type": "string"}}, "required": ["sdp"]},
    "Models": {
        "type": "object",
        "properties": {"models": {"type": "array", "items": {"type": "object", "properties": _MODEL}}},
        "required": ["models"],
    },
    "State": {
        "type": "object",
        "properties": {
            "source": {"type": "object"},
            "model": {"type": "object", "properties": _MODEL},
            "fault": {"type": ["string", "null"]},
            "paused": {"type": "boolean"},
            "steady": {"type": "boolean"},
            "recording": {"type": "object"},
            "figures": {"type": "object"},
        },
        "required": ["source", "model", "fault", "paused", "steady", "recording", "figures"],
    },
    "Upload": {
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "kind": {"enum": ["translate", "gallery"]},
            "state": {"enum": ["waiting", "working", "done", "failed"]},
            "done": {"type": "integer"},
            "of": {"type": ["integer", "null"]},
            "error": {"type": ["string", "null"]},
            "files": {"type": "array", "items": {"type": "object"}},
        },
        "required": ["id", "kind", "state", "done", "of", "error", "files"],
    },
}
