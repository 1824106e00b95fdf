"""Where frames go: the protocol of all sinks, and video files."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Protocol

import av
import cv2
import numpy as np
from av.codec.context import Flags
from av.container import OutputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from unit_edge.errors import SinkError, TruncatedError, UnitEdgeError
from unit_edge.frames import Frame, VideoInfo
from unit_edge.media import FromBgr, reason
from unit_edge.runtime.audio import AudioCopy
from unit_edge.runtime.codecs import CODECS, Encoding, muxer_of
from unit_edge.runtime.excerpt import Excerpt

_LIMITED_RANGE = 1
_TICKS_PER_S_AT_LEAST = 10_000


class FrameSink(Protocol):
    """Takes frames in order; a context manager.

    Leaving `with` without an exception finishes the output, with one discards it.
    """

    def __enter__(self) -> FrameSink: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def write(self, frame: Frame) -> None:
        """Takes one frame; its image is not used afterwards."""

    def cut_short(self) -> None:
        """Says that the frames end before their source does: nothing that lasts longer is to be kept."""


class VideoSink:
    """A video file (yuv420p) with the times of its frames and the sound of another file.

    It grows under a temporary name in the same folder and gets its own when it is finished. Codecs need
    even sizes: an odd width or height grows by one, the last column or row repeated.
    """

    def __init__(
        self,
        path: Path,
        info: VideoInfo,
        *,
        audio_from: Path | None = None,
        excerpt: Excerpt | None = None,
        crf: float = 18,
        preset: str = "veryfast",
        codec: str | None = None,
    ) -> None:
        """`info` is of the frames to come, `excerpt` the part of `audio_from` that they are from.

        `crf`, `preset` and `codec` are those of an `Encoding`.
        """
        self._path, self._info = path, info
        self._audio = AudioCopy(audio_from, excerpt) if audio_from is not None else None
        self._encoding = Encoding(crf, preset, codec=codec)
        ticks = info.time_base.denominator
        while ticks < _TICKS_PER_S_AT_LEAST:
            ticks *= 2
        self._time_base = Fraction(1, ticks)
        self.width, self.height = info.width + info.width % 2, info.height + info.height % 2

    def __enter__(self) -> VideoSink:
        muxer = muxer_of(self._path)
        self._codec = CODECS[self._encoding.codec_for(self._path.suffix)]
        self._codec.check()
        name = f".{self._path.stem}.{os.getpid()}.part{self._path.suffix}"
        self._temporary = self._path.with_name(name)
        self._cut_short = False
        self._end: Fraction | None = None
        with ExitStack() as stack, self._reporting():
            self._temporary.touch()
            stack.callback(self._temporary.unlink, missing_ok=True)
            # The default movie_timescale would round the start of picture and sound to milliseconds.
            options = {"movflags": "+faststart", "movie_timescale": str(self._time_base.denominator)}
            self._container = av.open(
                f"file:{self._temporary}",
                "w",
                format=muxer,
                options=options if muxer in ("mp4", "mov") else {},
            )
            stack.callback(self._close_quietly)
            self._open_encoder(self._container)
            if self._audio is not None:
                stack.enter_context(self._audio)
                self._audio.attach(self._container)
            self._resources = stack.pop_all()
        return self

    def _open_encoder(self, container: OutputContainer) -> None:
        info = self._info
        rate = info.fps.limit_denominator(100_000)
        options = self._codec.options(self._encoding.crf, self._encoding.preset)
        stream = container.add_stream(self._codec.encoder, rate=rate, options=options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = self.width, self.height
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = self._time_base
        stream.codec_context.sample_aspect_ratio = info.pixel_aspect
        stream.codec_context.flags |= Flags.frame_duration
        stream.color_range = _LIMITED_RANGE
        stream.colorspace = info.colour.matrix
        stream.color_primaries = info.colour.primaries
        stream.color_trc = info.colour.transfer
        if self._codec.tag is not None:
            stream.codec_context.codec_tag = self._codec.tag
        self._codec.open(stream)
        self._stream = stream
        self._from_bgr = FromBgr(info.colour.matrix)
        self._last_pts: int | None = None

    def write(self, frame: Frame) -> None:
        info = self._info
        height, width = frame.image.shape[:2]
        if (width, height) != (info.width, info.height):
            raise SinkError(
                f"{self._path}: a frame of {width}x{height} in a video of {info.width}x{info.height}"
            )
        pts = round(frame.pts / self._time_base)
        if self._last_pts is not None:
            pts = max(pts, self._last_pts + 1)
        self._last_pts = pts
        duration = frame.duration or 1 / info.fps
        self._end = frame.pts + duration
        with self._reporting():
            encoded = self._from_bgr(even_sized(frame.image))
            encoded.pts, encoded.time_base = pts, self._time_base
            encoded.duration = round(duration / self._time_base)
            self._container.mux(self._stream.encode(encoded))
            if self._audio is not None:
                self._audio.advance(frame.pts)

    def cut_short(self) -> None:
        self._cut_short = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._resources:
            if error is None and self._end is not None:
                with self._reporting():
                    self._finish()
        if error is None and self._audio is not None and self._audio.fault:
            raise TruncatedError(f"{self._audio.path}: {self._audio.fault}")

    def _finish(self) -> None:
        self._container.mux(self._stream.encode(None))
        if self._audio is not None:
            self._audio.advance(self._end if self._cut_short else None)
        self._container.close()
        self._temporary.replace(self._path)

    def _close_quietly(self) -> None:
        """Lets go of the file; what it complains about concerns a file that is thrown away."""
        with contextlib.suppress(av.FFmpegError, OSError):
            self._container.close()

    @contextlib.contextmanager
    def _reporting(self) -> Iterator[None]:
        try:
            yield
        except UnitEdgeError:
            raise
        except (av.FFmpegError, OSError) as error:
            raise SinkError(f"{self._path}: can't be written: {reason(error)}") from error


def even_sized(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """uint8[H,W,3] with its last row or column repeated where a size is odd."""
    height, width = image.shape[:2]
    if height % 2 == 0 and width % 2 == 0:
        return image
    return np.asarray(
        cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE), dtype=np.uint8
    )
