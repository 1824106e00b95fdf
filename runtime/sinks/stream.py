"""Frames over a network while they are made: MPEG-TS by UDP, TCP or SRT, or to an RTSP or RTMP server."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from fractions import Fraction
from types import TracebackType
from typing import Final

import av
from av.codec.context import Flags
from av.video.stream import VideoStream

from unit_edge.errors import SinkError, UnitEdgeError
from unit_edge.frames import Frame, VideoInfo
from unit_edge.media.colour import FromBgr
from unit_edge.media.containers import reason
from unit_edge.runtime.sinks.codecs import CODECS, Encoding
from unit_edge.runtime.sinks.pace import Pace
from unit_edge.runtime.sinks.video.sink import even_sized
from unit_edge.text.redaction import redact_address

_TIMEOUT_US = "5000000"
# scheme → FFmpeg's muxer, its options, and those of the protocol, which PyAV passes only in the URL
_TRANSPORTS: Final[dict[str, tuple[str, dict[str, str], str]]] = {
    "udp": ("mpegts", {}, "pkt_size=1316"),
    "tcp": ("mpegts", {}, f"timeout={_TIMEOUT_US}"),
    "srt": ("mpegts", {}, "pkt_size=1316"),
    "rtsp": ("rtsp", {"rtsp_transport": "tcp", "timeout": _TIMEOUT_US}, ""),
    "rtmp": ("flv", {}, ""),
}
STREAM_SCHEMES = tuple(_TRANSPORTS)
_TIME_BASE = Fraction(1, 90_000)
_LIMITED_RANGE = 1
_KEY_FRAME_S = 1  # who tunes in waits no longer for a picture


class StreamSink:
    """H.264 or HEVC to a URL, with low delay and without sound.

    With `pace` frames go out at their times, so that a file plays at its speed; they wait for that. Without,
    as soon as they come, stamped with the time of that.
    """

    def __init__(self, url: str, info: VideoInfo, encoding: Encoding, *, pace: bool) -> None:
        """`info` is of the frames to come."""
        self._url, self._info, self._encoding = url, info, encoding
        self._pace = Pace() if pace else None
        self.name = redact_address(url)

    def __enter__(self) -> StreamSink:
        scheme = self._url.partition("://")[0].lower()
        muxer, options, query = _TRANSPORTS[scheme]
        url = f"{self._url}?{query}" if query and "?" not in self._url else self._url
        self._codec = CODECS[self._encoding.codec or "h264"]
        if self._codec.format == "av1" or (muxer == "flv" and self._codec.format != "h264"):
            raise SinkError(
                f"{self.name}: is sent as h264{' or hevc' * (muxer != 'flv')}; give such a --codec"
            )
        self._codec.check()
        self._began: float | None = None
        self._last_pts = -1
        with self._reporting("can't be connected to"):
            self._container = av.open(url, "w", format=muxer, options=options)
            try:
                self._open_encoder()
                self._container.start_encoding()
            except BaseException:
                self._close_quietly()
                raise
        return self

    def _open_encoder(self) -> None:
        info, codec = self._info, self._codec
        options = codec.options(self._encoding.crf, self._encoding.preset)
        if not codec.on_gpu:
            options["tune"] = "zerolatency"
        rate = info.fps.limit_denominator(100_000)
        stream = self._container.add_stream(codec.encoder, rate=rate, options=options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = info.width + info.width % 2, info.height + info.height % 2
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = _TIME_BASE
        stream.codec_context.gop_size = max(1, round(info.fps * _KEY_FRAME_S))
        stream.codec_context.sample_aspect_ratio = info.pixel_aspect
        stream.codec_context.flags |= Flags.low_delay
        stream.color_range = _LIMITED_RANGE
        stream.colorspace = info.colour.matrix
        stream.color_primaries = info.colour.primaries
        stream.color_trc = info.colour.transfer
        codec.open(stream)
        self._stream = stream
        self._from_bgr = FromBgr(info.colour.matrix)

    def write(self, frame: Frame) -> None:
        if self._pace is not None:
            self._pace.wait_for(frame)
            seconds = frame.pts
        else:
            self._began = self._began or time.monotonic()
            seconds = Fraction(time.monotonic() - self._began)
        pts = max(round(seconds / _TIME_BASE), self._last_pts + 1)
        self._last_pts = pts
        with self._reporting("sending failed"):
            encoded = self._from_bgr(even_sized(frame.image))
            encoded.pts, encoded.time_base = pts, _TIME_BASE
            self._container.mux(self._stream.encode(encoded))

    def cut_short(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._close_quietly()
            return
        try:
            with self._reporting("sending failed"):
                self._container.mux(self._stream.encode(None))
                self._container.close()
        except BaseException:
            self._close_quietly()
            raise

    def _close_quietly(self) -> None:
        with contextlib.suppress(av.FFmpegError, OSError):
            self._container.close()

    @contextlib.contextmanager
    def _reporting(self, what: str) -> Iterator[None]:
        try:
            yield
        except UnitEdgeError:
            raise
        except av.ProtocolNotFoundError:
            scheme = self.name.partition("://")[0]
            raise SinkError(
                f"{self.name}: this build of PyAV knows no {scheme}; send udp:// to an ffmpeg that does"
            ) from None
        except (av.FFmpegError, OSError, ValueError) as error:
            raise SinkError(f"{self.name}: {what} ({reason(error)}); is anything listening there?") from None
