"""JPEGs one after the other over HTTP: what every browser shows, through every proxy."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

import cv2
import numpy as np
from aiohttp import web
from numpy.typing import NDArray

from unit_edge.errors import SinkError
from unit_edge.runtime.serve.live.hub import Pair
from unit_edge.runtime.serve.video.encoder import Encoded, SharedEncoder

_QUALITY = 80
_BOUNDARY = "frame"
_SENT_AHEAD = 64 << 10  # bytes that the system may hold for a viewer who is slow
_STUCK_S = 20.0


class JpegEncoder:
    """Each frame for itself."""

    def encode(self, image: NDArray[np.uint8], pair: Pair, *, key: bool) -> Encoded:
        done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
        if not done:
            raise SinkError(f"{image.shape[1]}x{image.shape[0]} pixels can't be encoded as JPEG")
        return Encoded(data.tobytes(), pair.number, pair.captured_s)


class _Newest:
    """Holds the newest picture for one viewer."""

    def __init__(self) -> None:
        self._picture: Encoded | None = None
        self._came = asyncio.Event()

    def put(self, picture: Encoded) -> None:
        self._picture = picture
        self._came.set()

    async def take(self) -> Encoded:
        while True:
            await self._came.wait()
            self._came.clear()
            picture, self._picture = self._picture, None
            if picture is not None:
                return picture


async def send_jpegs(request: web.Request, encoder: SharedEncoder) -> web.StreamResponse:
    """Sends pictures until the viewer goes; one who is slow gets fewer, and always the newest.

    Each part's headers have the frame's number, and when it came in seconds on the server's clock.
    """
    response = web.StreamResponse(
        headers={
            "Content-Type": f"multipart/x-mixed-replace; boundary={_BOUNDARY}",
            "Cache-Control": "no-store",
        }
    )
    await response.prepare(request)
    transport = request.transport
    if transport is not None:
        transport.set_write_buffer_limits(high=0)
        if (plain := transport.get_extra_info("socket")) is not None:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SENT_AHEAD)
    newest = _Newest()
    encoder.subscribe(newest.put)
    try:
        while True:
            picture = await newest.take()
            head = (
                f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture.data)}\r\n"
                f"X-Frame: {picture.number}\r\nX-Captured: {picture.captured_s:.4f}\r\n\r\n"
            )
            await asyncio.wait_for(response.write(head.encode() + picture.data + b"\r\n"), _STUCK_S)
    except (ConnectionError, asyncio.TimeoutError):
        with suppress(AttributeError):
            request.transport.abort()  # type: ignore[union-attr]
    finally:
        encoder.unsubscribe(newest.put)
    return response
