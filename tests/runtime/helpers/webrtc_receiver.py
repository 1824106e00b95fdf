"""A viewer by WebRTC without a browser: counts frames, and knows how old each is."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aioice.ice
import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from numpy.typing import NDArray

_STAMPS = 200


class Received:
    """A frame as it came.

    Attributes:
        image: uint8[H,2W,3], BGR.
        captured_s: when the server got it, on the clock of time.monotonic(), which is the same machine's.
        age_s: how old it was when it was decoded here.
    """

    def __init__(self, image: NDArray[np.uint8] | None, captured_s: float | None) -> None:
        self.image, self.captured_s = image, captured_s
        self.age_s = None if captured_s is None else time.monotonic() - captured_s


def ask(url: str, sdp: str, quality: str) -> dict[str, Any]:
    """The server's answer to an offer."""
    body = json.dumps({"sdp": sdp, "quality": quality}).encode()
    headers = {"X-Unit-Edge": "1", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/api/webrtc", body, headers)
    with urllib.request.urlopen(request, timeout=30) as response:
        return dict(json.load(response))


@asynccontextmanager
async def viewer(
    url: str, quality: str = "high", *, pictures: bool = True
) -> AsyncIterator[tuple[AsyncIterator[Received], Any]]:
    """Frames as they come, and the data channel; `pictures` can be left out, which saves time."""
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    try:
        track: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        peer.on("track", track.set_result)
        peer.addTransceiver("video", direction="recvonly")
        channel = peer.createDataChannel("frames", ordered=False, maxRetransmits=0)
        stamps: dict[int, float] = {}

        def note(text: str) -> None:
            stamp, captured, _ = text.split()
            stamps[int(stamp)] = float(captured)
            while len(stamps) > _STAMPS:
                del stamps[next(iter(stamps))]

        channel.on("message", note)
        await peer.setLocalDescription(await peer.createOffer())
        answer = await asyncio.to_thread(ask, url, peer.localDescription.sdp, quality)
        await peer.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))
        yield _frames(await asyncio.wait_for(track, 30), stamps, pictures), channel
    finally:
        await peer.close()


async def _frames(track: Any, stamps: dict[int, float], pictures: bool) -> AsyncIterator[Received]:
    votes: dict[int, int] = {}
    origin: int | None = None
    while True:
        frame = await asyncio.wait_for(track.recv(), 30)
        if origin is None:  # aiortc's times begin at 0; the difference that frames agree in is the start
            for stamp in stamps:
                start = (stamp - frame.pts) % 2**32
                votes[start] = votes.get(start, 0) + 1
                origin = start if votes[start] >= 5 else origin
        captured_s = None if origin is None else stamps.get((frame.pts + origin) % 2**32)
        yield Received(frame.to_ndarray(format="bgr24") if pictures else None, captured_s)
