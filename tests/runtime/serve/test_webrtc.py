"""WebRTC as a headless viewer gets it: pictures, their age, several viewers of one encoder, bad offers."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import av
import numpy as np
import pytest
from serve_server import COLOUR, SIZE, Server

pytest.importorskip("aiortc", reason="needs the serve extra")
from webrtc_receiver import Received, viewer

from unit_edge.errors import SinkError
from unit_edge.runtime.serve.live.controls import Controls
from unit_edge.runtime.serve.live.hub import Hub, Pair
from unit_edge.runtime.serve.video import encoder as encoder_module
from unit_edge.runtime.serve.video import h264
from unit_edge.runtime.serve.video.encoder import Encoded, SharedEncoder
from unit_edge.runtime.serve.video.webrtc import EncodedTrack
from unit_edge.runtime.window.recorder import Recorder

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


def test_an_encoder_that_fails_gives_way_to_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """As that of a GPU does when its driver is gone."""

    class Failing:
        def encode(self, _: Any) -> list[Any]:
            raise av.ExternalError(1, "the GPU is gone")

    opened = h264._opened
    monkeypatch.setattr(h264, "_OPTIONS", {"h264_v4l2m2m": {}, "libx264": h264._OPTIONS["libx264"]})
    monkeypatch.setattr(av, "codecs_available", {"h264_v4l2m2m", "libx264"})
    monkeypatch.setattr(
        h264, "_opened", lambda name, *given: opened(name, *given) if name == "libx264" else Failing()
    )
    encoder, image = h264.H264Encoder(), np.zeros((32, 64, 3), np.uint8)
    for number in (1, 2):
        encoded = encoder.encode(image, Pair(image, image, number, float(number)), key=False)
        assert encoded is not None and encoded.key == (number == 1)
    assert encoder.name == "libx264"


def test_an_encoder_that_fails_for_a_while_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder_module, "_AGAIN_S", 0.05)
    tries = 0

    def make() -> _Numbers:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise SinkError("no session is free")
        return _Numbers()

    async def watch() -> bool:
        hub = Hub(Controls(), Recorder(lambda: None, None, print))  # type: ignore
        image = np.zeros((32, 32, 3), np.uint8)
        encoder = SharedEncoder(hub, asyncio.get_running_loop(), 64, make, "test")
        came: list[Encoded] = []
        encoder.subscribe(came.append)
        try:
            for number in range(1, 600):
                with hub._changed:
                    hub._newest = Pair(image, image, number, time.monotonic())
                    hub._changed.notify_all()
                await asyncio.sleep(0.1)
                if came:
                    return came[0].key and encoder.fault is None
            return False
        finally:
            encoder.unsubscribe(came.append)
            await asyncio.to_thread(encoder.stop)

    assert asyncio.run(watch()) and tries == 3


class _Numbers:
    """An encoder that counts."""

    def __init__(self) -> None:
        self.keys: list[bool] = []

    def encode(self, image: np.ndarray, pair: Pair, *, key: bool) -> Encoded:
        self.keys.append(key)
        return Encoded(b"", pair.number, pair.captured_s, len(self.keys), key)


def test_one_encoder_serves_all_and_a_slow_viewer_goes_on_at_a_key_frame() -> None:
    async def watch() -> tuple[list[int], list[int], list[bool]]:
        counting, hub = _Numbers(), Hub(Controls(), Recorder(lambda: None, None, print))  # type: ignore
        encoder = SharedEncoder(hub, asyncio.get_running_loop(), 64, lambda: counting, "test")
        tracks = [EncodedTrack({"high": encoder}, "high") for _ in range(2)]
        fast: list[int] = []

        async def follow() -> None:
            while True:
                fast.append((await tracks[0].recv()).pts)

        task = asyncio.create_task(follow())
        image = np.zeros((32, 32, 3), np.uint8)
        while len(fast) < 30 or not tracks[1]._queue:
            before = len(fast)
            with hub._changed:
                hub._newest = Pair(image, image, before + 1, time.monotonic())
                hub._changed.notify_all()
            while len(fast) == before:
                await asyncio.sleep(0.001)
                assert not task.done()
        slow = [(await tracks[1].recv()).pts for _ in range(len(tracks[1]._queue))]
        task.cancel()
        for track in tracks:
            track.stop()
        await asyncio.to_thread(encoder.stop)
        return fast, slow, counting.keys

    fast, slow, keys = asyncio.run(asyncio.wait_for(watch(), 60))
    assert fast == list(range(1, len(fast) + 1)) and len(fast) >= 30
    assert len(keys) <= len(fast) + 1  # encoded once for both
    assert keys[0] and 1 <= len(slow) <= 6 and slow == list(range(slow[0], slow[0] + len(slow)))
    assert keys[slow[0] - 1]  # what it gets after a gap begins with a key frame


def test_a_key_frame_that_is_asked_for_while_nothing_comes_is_the_next_one() -> None:
    """Else a viewer who lost a picture would see nothing any more."""

    async def watch() -> list[bool]:
        counting, hub = _Numbers(), Hub(Controls(), Recorder(lambda: None, None, print))  # type: ignore
        encoder = SharedEncoder(hub, asyncio.get_running_loop(), 64, lambda: counting, "test")
        came = asyncio.Event()
        encoder.subscribe(lambda _: came.set())
        image = np.zeros((32, 32, 3), np.uint8)
        try:
            for number in (1, 2, 3):
                if number == 3:
                    await asyncio.sleep(0.1)  # by now it waits for the next pair
                    encoder.want_key()
                with hub._changed:
                    hub._newest = Pair(image, image, number, time.monotonic())
                    hub._changed.notify_all()
                await asyncio.wait_for(came.wait(), 30)
                came.clear()
        finally:
            await asyncio.to_thread(encoder.stop)
        return counting.keys

    assert asyncio.run(watch()) == [True, False, True]
