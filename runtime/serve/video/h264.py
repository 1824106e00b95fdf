"""H.264 as WebRTC wants it: no frame waits for another, and key frames when they are asked for."""

from __future__ import annotations

import os
from fractions import Fraction
from typing import Any, Final

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from numpy.typing import NDArray

from unit_edge.errors import SinkError
from unit_edge.media.colour import FromBgr
from unit_edge.media.containers import reason
from unit_edge.runtime.serve.live.hub import Pair
from unit_edge.runtime.serve.video.encoder import Encoded

TICKS_PER_S = 90_000
_BT709 = 1
_LIMITED_RANGE = 1
_KEY_FRAME_EVERY = 240  # frames; viewers that lose one ask for another
_NOMINAL_FPS = 30
_RATE: Final = {"maxrate": "8000000", "bufsize": "4000000"}

_OPTIONS: Final[dict[str, dict[str, str]]] = {
    "h264_nvenc": {
        **{"preset": "p2", "tune": "ull", "rc": "vbr", "cq": "25", "profile": "baseline"},
        **{"zerolatency": "1", "delay": "0", "forced-idr": "1", **_RATE},
    },
    "h264_v4l2m2m": {"b": "5000000"},
    "libx264": {
        **{"preset": "superfast", "tune": "zerolatency", "crf": "24", "profile": "baseline"},
        **{"forced-idr": "1", **_RATE},
    },
}
"""Encoders in the order in which they are tried, and what each is told."""


class H264Encoder:
    """Frames of whatever size comes, with the best encoder that works here.

    Attributes:
        name: FFmpeg's, of the encoder; None before the first frame.
    """

    name: str | None = None

    def __init__(self) -> None:
        self._context: VideoCodecContext | None = None
        self._size = 0, 0
        self._from_bgr = FromBgr(_BT709)
        self._last_pts = -1
        self._failed: dict[str, str] = {}

    def encode(self, image: NDArray[np.uint8], pair: Pair, *, key: bool) -> Encoded | None:
        pts = max(round(pair.captured_s * TICKS_PER_S), self._last_pts + 1)
        self._last_pts = pts
        frame = self._from_bgr(image)
        frame.pts, frame.time_base = pts, Fraction(1, TICKS_PER_S)
        if key:
            frame.pict_type = PictureType.I
        packets = self._packets(frame)
        if not packets:
            return None
        data = b"".join(bytes(packet) for packet in packets)
        is_key = any(packet.is_keyframe for packet in packets)
        return Encoded(
            data=data, number=pair.number, captured_s=pair.captured_s, pts=packets[-1].pts or pts, key=is_key
        )

    def _packets(self, frame: av.VideoFrame) -> list[Any]:
        """What an encoder makes of a frame; one that fails, as a GPU's may at any time, isn't asked again."""
        while True:
            if self._context is None or self._size != (frame.width, frame.height):
                self._size = frame.width, frame.height
                self._context = self._open(*self._size)
            try:
                return self._context.encode(frame)
            except (av.FFmpegError, OSError) as error:
                assert self.name is not None, "it is open"
                self._failed[self.name] = f"encoding failed ({reason(error)})"
                self._context = None

    def _open(self, width: int, height: int) -> VideoCodecContext:
        faults = [f"{name}: {why}" for name, why in self._failed.items()]
        for name, options in _OPTIONS.items():
            if name not in av.codecs_available or name in self._failed:
                continue
            try:
                context = _opened(name, width, height, options)
            except (av.FFmpegError, OSError, ValueError) as error:
                faults.append(f"{name}: {reason(error)}")
                continue
            self.name = name
            return context
        raise SinkError(f"no H.264 encoder works here ({'; '.join(faults) or 'this PyAV has none'})")


def _opened(name: str, width: int, height: int, options: dict[str, str]) -> VideoCodecContext:
    context: Any = av.CodecContext.create(name, "w")
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.time_base = Fraction(1, TICKS_PER_S)
    context.framerate = Fraction(_NOMINAL_FPS)
    context.gop_size = _KEY_FRAME_EVERY
    context.max_b_frames = 0
    context.thread_count = max(1, min(4, (os.cpu_count() or 1) // 2))
    context.colorspace = context.color_primaries = context.color_trc = _BT709
    context.color_range = _LIMITED_RANGE
    context.options = options
    context.open()
    return context  # type: ignore[no-any-return]
