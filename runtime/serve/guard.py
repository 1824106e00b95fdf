"""Who may ask for what: hosts, origins and tokens are looked at before any handler runs."""

from __future__ import annotations

import html
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web

from unit_edge.runtime.serve.settings import LOOPBACK_NAMES, ServeSettings
from unit_edge.runtime.serve.token import Token

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MARK = "X-Unit-Edge"
"""A header that a page of another site can't send without asking first, which nobody answers."""

_COOKIE_S = 30 * 24 * 3600
_OPEN_PATHS = frozenset(("/healthz",))
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob:; media-src 'self' blob:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class Guard:
    """Lets requests through, or answers them itself."""

    def __init__(self, settings: ServeSettings, token: Token | None) -> None:
        self._settings, self._token = settings, token
        self._names = set(LOOPBACK_NAMES) | {name.lower() for name in settings.allow_hosts}
        if not settings.on_loopback:
            own = socket.gethostname().lower()
            self._names |= {
                settings.host.lower(),
                own,
                own.partition(".")[0],
                f"{own.partition('.')[0]}.local",
            }
        self.port = settings.port

    @property
    def _cookie_name(self) -> str:
        return f"unit_edge_{self.port}"  # browsers don't keep ports apart

    def refusal(self, request: web.Request) -> web.Response | None:
        """The answer to a request that isn't let through; None for those that are."""
        host = request.headers.get("Host", "")
        if not self._is_ours(host):
            return refused(
                403, "this name isn't the server's; open it by its address, or start it with --allow-host"
            )
        if not self._from_our_page(request, host):
            return refused(403, "requests of other sites aren't answered")
        if self._token is not None and request.path not in _OPEN_PATHS and not self._knows_token(request):
            if request.path == "/" and self._token.fits(request.query.get("token", "")):
                return self._welcome()
            why = "open the link with the token that the server printed when it started"
            return _page(why, 401) if request.path == "/" else refused(401, why)
        return None

    def _is_ours(self, host: str) -> bool:
        """Whether a Host header names this machine; others may have had their name bound to its address."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name.rstrip(".").lower() in self._names:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or not self._settings.on_loopback

    def _from_our_page(self, request: web.Request, host: str) -> bool:
        origin = request.headers.get("Origin")
        if origin is not None:
            try:
                ours = urlsplit(origin).netloc.lower() == host.lower()
            except ValueError:
                ours = False
            if not ours:
                return False
        if request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site") and request.path != "/":
            return False
        return request.method in ("GET", "HEAD") or MARK in request.headers

    def _knows_token(self, request: web.Request) -> bool:
        assert self._token is not None
        kind, _, given = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() == "bearer" and self._token.fits(given.strip()):
            return True
        return self._token.fits_cookie(request.cookies.get(self._cookie_name, ""))

    def _welcome(self) -> web.Response:
        assert self._token is not None
        # not a redirect: browsers leave strict cookies out of one that began on another site
        response = _page("One moment.", 200)
        response.headers["Refresh"] = "0; url=/"
        response.set_cookie(
            self._cookie_name,
            self._token.cookie,
            max_age=_COOKIE_S,
            httponly=True,
            samesite="Strict",
            secure=self._settings.scheme == "https",
        )
        return response


def refused(status: int, why: str) -> web.Response:
    """An error for programs and people: {"error": why}."""
    return web.json_response({"error": why}, status=status)


def _page(text: str, status: int) -> web.Response:
    shown = f'<!doctype html><meta charset="utf-8"><title>unit-edge</title><p>{html.escape(text)}</p>\n'
    return web.Response(text=shown, status=status, content_type="text/html")


async def add_headers(_: web.BaseRequest, response: web.StreamResponse) -> None:
    """Puts what browsers shall keep to on every answer."""
    response.headers.update(_HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["Server"] = "unit-edge"
