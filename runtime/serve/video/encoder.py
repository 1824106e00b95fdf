"""One encoder for all viewers of a kind and quality, in a thread that rests while there are none."""

from __future__ import annotations

import threading
import time
from asyncio import AbstractEventLoop
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from unit_edge.errors import UnitEdgeError
from unit_edge.runtime.resize import resized
from unit_edge.runtime.serve.live.hub import Hub, Pair
from unit_edge.text.printable import one_line

_REST_S = 0.5
_KEY_FRAME_WAIT_S = 0.2
_AGAIN_S = 15.0

QUALITIES = {"high": 1280, "low": 640}
"""Names, and how many pixels wide each half is at most."""


@dataclass(frozen=True)
class Encoded:
    """A picture of both halves, as it is sent.

    Attributes:
        data: a JPEG, or an access unit of H.264 in Annex B.
        number: of the frame.
        captured_s: when it came, on the clock of time.monotonic().
        pts: in 1/90000 s, rising; 0 of JPEGs.
        key: whether a decoder can begin with it.
    """

    data: bytes
    number: int
    captured_s: float
    pts: int = 0
    key: bool = True


class FrameEncoder(Protocol):
    """What encodes; used in one thread."""

    def encode(self, image: NDArray[np.uint8], pair: Pair, *, key: bool) -> Encoded | None:
        """uint8[H,2W,3] BGR, both sides even; None if nothing comes out yet."""


def both_halves(pair: Pair, width: int) -> NDArray[np.uint8]:
    """uint8[H,2W,3]: before and after side by side, each at most `width` wide, both sides even."""
    high, wide = pair.after.shape[:2]
    scale = min(1.0, width / wide)
    # whole macroblocks, so that no colour bleeds from one half into the other
    size = max(16, round(wide * scale / 16) * 16), max(2, round(high * scale / 2) * 2)
    return np.concatenate([resized(pair.before, *size), resized(pair.after, *size)], axis=1)


class SharedEncoder:
    """Encodes the newest frame whenever it is done with the one before, as long as anybody is subscribed.

    Attributes:
        seconds: spent on encoding, in all.
        frames: encoded, in all.
        fault: why it can't, until it is tried again some seconds later; else None.
    """

    def __init__(
        self, hub: Hub, loop: AbstractEventLoop, width: int, make: Callable[[], FrameEncoder], name: str
    ) -> None:
        """`width` is of each half at most; `make` is called when the first viewer comes."""
        self._hub, self._loop, self._width, self._make = hub, loop, width, make
        self._changed = threading.Condition()
        self._subscribers: list[Callable[[Encoded], None]] = []
        self._key_wanted = self._stopped = False
        self.seconds, self.frames = 0.0, 0
        self.fault: str | None = None
        self._thread = threading.Thread(target=self._work, name=f"unit-edge {name}", daemon=True)
        self._thread.start()

    def subscribe(self, deliver: Callable[[Encoded], None]) -> None:
        """Has `deliver` called in the event loop for each frame; the first one is a key frame."""
        with self._changed:
            self._subscribers.append(deliver)
            self._key_wanted = True
            self._changed.notify_all()

    def unsubscribe(self, deliver: Callable[[Encoded], None]) -> None:
        with self._changed:
            if deliver in self._subscribers:
                self._subscribers.remove(deliver)

    def want_key(self) -> None:
        """Has the next frame be one that a decoder can begin with."""
        with self._changed:
            self._key_wanted = True
            self._changed.notify_all()

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join()

    def _work(self) -> None:
        encoder: FrameEncoder | None = None
        number = 0
        while True:
            with self._changed:
                if not self._subscribers:
                    encoder, number = None, 0  # a later viewer gets the frame that is on show then
                    self._changed.wait_for(lambda: self._subscribers or self._stopped)
                if self._stopped:
                    return
                waits = self._key_wanted
            pair = self._hub.wait(number, _KEY_FRAME_WAIT_S if waits else _REST_S)
            if pair is None and waits:  # nothing moves, and somebody waits for a picture
                pair = self._hub.newest
            if pair is None:
                continue
            with self._changed:  # asked for while the pair was waited for, too
                key, self._key_wanted = self._key_wanted, False
            number = pair.number
            try:
                encoder = encoder or self._make()
                began = time.perf_counter()
                encoded = encoder.encode(both_halves(pair, self._width), pair, key=key)
                self.seconds += time.perf_counter() - began
                self.frames += 1
            except (UnitEdgeError, MemoryError, cv2.error) as error:
                self.fault = one_line(error)
                encoder = None
                with self._changed:
                    self._key_wanted = True
                    self._changed.wait_for(lambda: self._stopped, _AGAIN_S)
                self.fault = None
                continue
            if encoded is not None:
                self._publish(encoded)

    def _publish(self, encoded: Encoded) -> None:
        with self._changed:
            subscribers = list(self._subscribers)
        try:
            for deliver in subscribers:
                self._loop.call_soon_threadsafe(deliver, encoded)
        except RuntimeError:  # the loop is closed: the server has ended
            self._stopped = True
