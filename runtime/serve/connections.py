"""Connections that ask for nothing, too slowly or too many are closed, before HTTP begins."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from aiohttp import web

_FIRST_REQUEST_S = 5.0
_NEXT_REQUEST_S = 60.0


class Connections:
    """Makes the protocols of a server's connections, and closes those that are one too many or idle."""

    def __init__(self, make: Callable[[], asyncio.Protocol], at_most: int) -> None:
        """`make` makes aiohttp's protocol of one connection."""
        self._make, self._at_most = make, at_most
        self._open: dict[asyncio.BaseTransport, _Guarded] = {}

    def __call__(self) -> asyncio.Protocol:
        return _Guarded(self._make(), self)

    @property
    def count(self) -> int:
        return len(self._open)

    def opened(self, transport: asyncio.BaseTransport, connection: _Guarded) -> bool:
        """Whether there is room for it."""
        if len(self._open) >= self._at_most:
            return False
        self._open[transport] = connection
        return True

    def closed(self, transport: asyncio.BaseTransport | None) -> None:
        if transport is not None:
            self._open.pop(transport, None)

    def request_begins(self, request: web.Request) -> None:
        """Its headers are complete; from then on the handler sees to what takes too long."""
        if (connection := self._of(request)) is not None:
            connection.wait_for_request(None)

    def request_ends(self, request: web.Request) -> None:
        if (connection := self._of(request)) is not None:
            connection.wait_for_request(_NEXT_REQUEST_S)

    def _of(self, request: web.Request) -> _Guarded | None:
        return self._open.get(cast(asyncio.BaseTransport, request.transport))


class _Guarded(asyncio.Protocol):
    """Another protocol, whose transport is closed when no request comes in time."""

    def __init__(self, inner: asyncio.Protocol, all_: Connections) -> None:
        self._inner, self._all = inner, all_
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def wait_for_request(self, seconds: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if seconds is not None and self._transport is not None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._transport.abort)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if not self._all.opened(transport, self):
            self._transport.abort()
        self._inner.connection_made(transport)
        self.wait_for_request(_FIRST_REQUEST_S)

    def connection_lost(self, error: Exception | None) -> None:
        self.wait_for_request(None)
        self._all.closed(self._transport)
        self._transport = None
        self._inner.connection_lost(error)

    def data_received(self, data: bytes) -> None:
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()
