"""WebRTC as a headless viewer gets it: pictures, their age, several viewers of one encoder, bad offers."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import numpy as np
import pytest
from serve_server import COLOUR, SIZE, Server

pytest.importorskip("aiortc", reason="needs the serve extra")
from webrtc_receiver import Received, viewer

INVERTED = [255 - value for value in COLOUR]


async def take(frames: Any, count: int) -> list[Received]:
    return [await anext(frames) for _ in range(count)]


def test_two_viewers_get_moving_pictures_of_known_age(server: Server) -> None:
    async def watch() -> tuple[list[Received], list[Received], dict[str, Any]]:
        async with viewer(server.url) as (one, _), viewer(server.url, "low") as (two, channel):
            got = await asyncio.gather(take(one, 25), take(two, 10))
            state = await asyncio.to_thread(server.state)
            channel.send("high")  # a viewer may change without connecting anew
            after = await take(two, 15)
            assert after[-1].image is not None
            return got[0], got[1] + after, state

    first, second, state = asyncio.run(watch())
    assert state["viewers"]["webrtc"] == 2
    for received in (first[-1], second[-1]):
        image = received.image
        assert image is not None and image.shape == (SIZE[1], 2 * SIZE[0], 3)
        left, right = image[:, : SIZE[0]], image[:, SIZE[0] :]
        assert np.abs(np.median(left, axis=(0, 1)) - COLOUR).max() <= 8
        assert np.abs(np.median(right, axis=(0, 1)) - INVERTED).max() <= 8
    moving = [
        np.argwhere(one.image[120, : SIZE[0], 0] > 150).mean() for one in first if one.image is not None
    ]
    assert len(set(moving)) > 5
    known = [one.age_s for one in first if one.age_s is not None]
    assert len(known) > 5 and min(known) > 0 and max(known) < 30
    server.until(lambda s: s["viewers"]["webrtc"] == 0)


@pytest.mark.parametrize(
    "sdp",
    ["", "x", "v=0\r\n", "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 x 0\r\n", "\x00" * 99],
)
def test_offers_that_are_none_are_refused_and_leave_nothing(server: Server, sdp: str) -> None:
    status, _, answer = server.ask("/api/webrtc", {"sdp": sdp, "quality": "high"})
    assert status == 400 and "offer" in json.loads(answer)["error"]
    assert server.state()["viewers"]["webrtc"] == 0
