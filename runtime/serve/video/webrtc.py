"""Viewers by WebRTC: each gets a shared encoder's packets, and beside them when each frame was captured."""

from __future__ import annotations

import asyncio
import ipaddress
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from fractions import Fraction
from typing import Any

import aioice.ice
import av
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError

from unit_edge.errors import ConfigError
from unit_edge.runtime.serve.settings import ServeSettings
from unit_edge.runtime.serve.video.encoder import Encoded, SharedEncoder
from unit_edge.runtime.serve.video.h264 import TICKS_PER_S

_QUEUED = 6
_CONNECT_S = 20.0
_BEHIND_BYTES = 64 << 10


def offer_only(settings: ServeSettings) -> None:
    """Has all connections of this process use the server's own address alone, where it has one.

    aioice would offer every address of the machine, and none of loopback.
    """
    host = "127.0.0.1" if settings.host == "localhost" else settings.host
    with suppress(ValueError):
        address = ipaddress.ip_address(host)
        if not address.is_unspecified:
            addresses = [str(address)]
            aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: addresses


class Viewers:
    """All viewers by WebRTC."""

    def __init__(self, encoders: Mapping[str, SharedEncoder], at_most: int) -> None:
        """`encoders` by quality."""
        self._encoders, self._at_most = encoders, at_most
        self._connections: set[RTCPeerConnection] = set()

    @property
    def count(self) -> int:
        return len(self._connections)

    @property
    def full(self) -> bool:
        return len(self._connections) >= self._at_most

    async def answer(self, offer: str, quality: str) -> str:
        """Connects a viewer: its SDP offer to our answer.

        Raises:
            ConfigError: the offer is none, or has no video in H.264.
        """
        connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        track = EncodedTrack(self._encoders, quality)
        self._connections.add(connection)

        @connection.on("datachannel")
        def _(channel: RTCDataChannel) -> None:
            track.beside = channel
            channel.on("message", lambda text: track.change(str(text)))

        @connection.on("connectionstatechange")
        async def _() -> None:
            if connection.connectionState in ("failed", "closed", "disconnected"):
                await self._drop(connection, track)

        try:
            answer = await asyncio.wait_for(_negotiated(connection, track, offer), _CONNECT_S)
        except BaseException as error:
            await self._drop(connection, track)
            if isinstance(error, Exception) and not isinstance(error, ConfigError):
                # aiortc raises whatever its parser meets with
                raise ConfigError(f"no usable offer of video: {type(error).__name__}") from None
            raise
        asyncio.get_running_loop().call_later(
            _CONNECT_S, lambda: asyncio.ensure_future(self._drop_unconnected(connection, track))
        )
        return answer

    async def _drop_unconnected(self, connection: RTCPeerConnection, track: EncodedTrack) -> None:
        if connection.connectionState != "connected":
            await self._drop(connection, track)

    async def _drop(self, connection: RTCPeerConnection, track: EncodedTrack) -> None:
        if connection in self._connections:
            self._connections.discard(connection)
            track.stop()
            await connection.close()

    async def close(self) -> None:
        connections, self._connections = list(self._connections), set()
        await asyncio.gather(*(connection.close() for connection in connections), return_exceptions=True)


async def _negotiated(connection: RTCPeerConnection, track: EncodedTrack, offer: str) -> str:
    sender = connection.addTrack(track)
    if hasattr(sender, "_send_keyframe"):  # aiortc has no public way to hear of lost pictures
        setattr(sender, "_send_keyframe", track.want_key)  # noqa: B010
    known = RTCRtpSender.getCapabilities("video").codecs
    (ours,) = connection.getTransceivers()  # whose codecs count when the offer is read
    ours.setCodecPreferences([one for one in known if one.mimeType in ("video/H264", "video/rtx")])
    await connection.setRemoteDescription(RTCSessionDescription(sdp=offer, type="offer"))
    if [one.kind for one in connection.getTransceivers()] != ["video"]:
        raise ConfigError("expected an offer with one video and nothing else")
    await connection.setLocalDescription(await connection.createAnswer())
    answer = str(connection.localDescription.sdp)
    if "H264/90000" not in answer:
        raise ConfigError("the offer has no H.264")
    return answer


class EncodedTrack(MediaStreamTrack):
    """The packets of one of the encoders; a viewer who doesn't keep up goes on at the next key frame."""

    kind = "video"

    def __init__(self, encoders: Mapping[str, SharedEncoder], quality: str) -> None:
        super().__init__()
        self.beside: RTCDataChannel | None = None
        self._encoders = encoders
        self._queue: deque[Encoded] = deque()
        self._came = asyncio.Event()
        self._needs_key = True
        self._encoder = encoders[quality]
        self._encoder.subscribe(self._put)

    def change(self, quality: str) -> None:
        """Goes on with the encoder of another quality."""
        encoder = self._encoders.get(quality)
        if encoder is not None and encoder is not self._encoder and self.readyState == "live":
            self._encoder.unsubscribe(self._put)
            self._encoder, self._needs_key = encoder, True
            encoder.subscribe(self._put)

    def want_key(self) -> None:
        self._encoder.want_key()

    def _put(self, encoded: Encoded) -> None:
        if len(self._queue) >= _QUEUED:
            self._queue.clear()
            self._needs_key = True
            self.want_key()
        if encoded.key or not self._needs_key:
            self._needs_key = False
            self._queue.append(encoded)
            self._came.set()

    async def recv(self) -> Any:
        while not self._queue:
            if self.readyState != "live":
                raise MediaStreamError
            self._came.clear()
            await self._came.wait()
        encoded = self._queue.popleft()
        packet = av.Packet(encoded.data)
        packet.pts, packet.time_base = encoded.pts, Fraction(1, TICKS_PER_S)
        channel = self.beside
        if channel is not None and channel.readyState == "open" and channel.bufferedAmount < _BEHIND_BYTES:
            channel.send(f"{encoded.pts % 2**32} {encoded.captured_s:.4f} {encoded.number}")
        return packet

    def stop(self) -> None:
        super().stop()
        self._encoder.unsubscribe(self._put)
        self._came.set()
