"""Video files as a sink."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import cv2
import numpy as np
from av.codec.context import Flags
from av.container import OutputContainer
from av.packet import Packet
from av.video.frame import PictureType
from av.video.stream import VideoStream
from numpy.typing import NDArray

from unit_edge.errors import SinkError, TruncatedError, UnitEdgeError
from unit_edge.files.writing import sync
from unit_edge.frames import Frame, VideoInfo
from unit_edge.media.colour import FromBgr
from unit_edge.media.containers import reason
from unit_edge.runtime.sinks.codecs import CODECS, Encoding, muxer_of
from unit_edge.runtime.sinks.video.audio import AudioCopy
from unit_edge.runtime.sinks.video.disk_file import DiskFile
from unit_edge.runtime.sinks.video.join import join
from unit_edge.runtime.sinks.video.part import VideoPart
from unit_edge.runtime.sinks.video.parts import ROUNDED_S, Kept, VideoParts, mark, part_comment
from unit_edge.runtime.sources.excerpt import Excerpt

_LIMITED_RANGE = 1
_TICKS_PER_S_AT_LEAST = 10_000

KEY_FRAMES_S = 2
"""Seconds from one key frame to the next: what a crash costs at most twice of."""


_LIVE_KEY_FRAMES_S = 1  # of a recording that can't be repeated


class VideoSink:
    """A video file (yuv420p) with the times of its frames and the sound of another file.

    It grows in a hidden folder beside it and gets its name when it is finished; parts.py says what a
    crash leaves. Codecs need even sizes: an odd width or height grows by one, the last column or row
    repeated.
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
        making: Mapping[str, Any] | None = None,
        kept: Kept | None = None,
        after_kept: bool = False,
        live: bool = False,
    ) -> None:
        """`info` is of the frames to come, `excerpt` the part of `audio_from` that they are from.

        `crf`, `preset` and `codec` are those of an `Encoding`.

        Args:
            making: what the video is made from, by which a later run can go on after a failure; None for a
                video that nothing shall be left of then.
            kept: what an earlier run has left; frames that it has already are passed over, and the last
                of them must come again.
            after_kept: the frames' times begin anew where `kept` ends.
            live: of frames that come once: as few as may be are in the encoder when a crash comes.
        """
        self._path, self._info = path, info
        self._audio = AudioCopy(audio_from, excerpt) if audio_from is not None else None
        self._encoding = Encoding(crf, preset, codec=codec)
        ticks = info.time_base.denominator
        while ticks < _TICKS_PER_S_AT_LEAST:
            ticks *= 2
        self._time_base = Fraction(1, ticks)
        self._rate = info.fps.limit_denominator(100_000)
        self._making, self._kept = making, kept
        self._begins_anew = after_kept
        self._shift = kept.end if kept is not None and after_kept else Fraction(0)
        self._live = live
        self._key_frames_s = Fraction(_LIVE_KEY_FRAMES_S if self._live else KEY_FRAMES_S)
        self._gop_size = max(1, round(self._key_frames_s * self._rate))
        self.width, self.height = info.width + info.width % 2, info.height + info.height % 2

    def __enter__(self) -> VideoSink:
        self._muxer = muxer_of(self._path)
        self._codec = CODECS[self._encoding.codec_for(self._path.suffix)]
        self._codec.check()
        self._cut_short = False
        self._packets = self._key_frames = 0
        self._start = Fraction(0) if self._kept is None else self._kept.start
        self._goes_on = self._kept is None or self._begins_anew
        self._last_pts: int | None = None
        self._since_key = -1
        self._key_time: Fraction | None = None
        self._end: Fraction | None = None
        with ExitStack() as stack, self._reporting():
            self._parts = stack.enter_context(VideoParts(self._path, self._kept))
            self._file = stack.enter_context(DiskFile(self._parts.media))
            # With flush_packets, each group of pictures goes to the disk when it is whole.
            self._container = av.open(
                self._file,
                "w",
                format="mp4",
                options={
                    "movflags": "+frag_keyframe+delay_moov",
                    "movie_timescale": str(self._time_base.denominator),
                },
                container_options={"flush_packets": "1"},
            )
            stack.callback(self._close_quietly)
            self._open_encoder(self._container)
            if self._making is not None:
                self._parts.begin(self._making, self._encoded_as)
            if self._audio is not None:
                stack.enter_context(self._audio)
                self._audio.check(self._muxer)
            self._resources = stack.pop_all()
        return self

    def _open_encoder(self, container: OutputContainer) -> None:
        info = self._info
        options = self._codec.options(self._encoding.crf, self._encoding.preset)
        if self._live:
            options |= self._codec.live_options  # what an encoder holds back, a kill loses
        stream = container.add_stream(self._codec.encoder, rate=self._rate, options=options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = self.width, self.height
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = self._time_base
        stream.codec_context.gop_size = self._gop_size
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

    @property
    def size_bytes(self) -> int:
        """How much of the picture has been written."""
        return self._file.size_bytes

    @property
    def _encoded_as(self) -> str:
        """Streams of which this is equal can be joined."""
        return hashlib.sha256(self._stream.codec_context.extradata or b"").hexdigest()

    def write(self, frame: Frame) -> None:
        info = self._info
        height, width = frame.image.shape[:2]
        if (width, height) != (info.width, info.height):
            raise SinkError(
                f"{self._path}: a frame of {width}x{height} in a video of {info.width}x{info.height}"
            )
        time = frame.pts + self._shift
        if self._kept is not None and time < self._kept.last + ROUNDED_S:
            self._goes_on = self._goes_on or time > self._kept.last - ROUNDED_S
            return
        self._check_going_on()
        pts = round(time / self._time_base)
        if self._last_pts is not None:
            pts = max(pts, self._last_pts + 1)
        else:
            self._container.metadata["comment"] = part_comment(pts * self._time_base, self._time_base)
            if self._kept is None:
                self._start = time
        self._last_pts = pts
        duration = frame.duration or 1 / info.fps
        self._end = time + duration
        with self._reporting():
            encoded = self._from_bgr(even_sized(frame.image))
            encoded.pts, encoded.time_base = pts, self._time_base
            encoded.duration = round(duration / self._time_base)
            if self._key_frame_is_due(time):
                encoded.pict_type = PictureType.I
            self._mux(self._stream.encode(encoded))

    def _check_going_on(self) -> None:
        """Raises SinkError if the frame that was kept last isn't among those that come: its time is wrong."""
        if self._kept is not None and not self._goes_on:
            raise SinkError(
                f"{self._path}: what an earlier run left of it ends with a frame at "
                f"{float(self._kept.last):.3f} s, where the source has none: it is damaged; add --overwrite "
                "instead of --resume to start over"
            )

    def _key_frame_is_due(self, time: Fraction) -> bool:
        """Whether the encoder, which counts frames, would wait too long, as frames come slower than meant."""
        self._since_key += 1
        began, self._key_time = self._key_time, time if self._key_time is None else self._key_time
        if began is None or self._since_key >= self._gop_size:
            self._since_key, self._key_time = 0, time
            return False
        if time - began < self._key_frames_s:
            return False
        self._since_key, self._key_time = 0, time
        return True

    def _mux(self, packets: list[Packet[VideoStream]]) -> None:
        for packet in packets:
            self._packets += 1
            self._key_frames += packet.is_keyframe
            self._container.mux_one(packet)
        if self._key_frames > 1:
            self._parts.worthwhile = self._making is not None

    def cut_short(self) -> None:
        self._cut_short = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Exception) and self._making is not None:
            with contextlib.suppress(Exception):  # the first one counts
                self._mux(self._stream.encode(None))
        if error is not None:
            self._resources.__exit__(kind, error, trace)
            return
        with self._resources, self._reporting():
            self._finish()
        if self._audio is not None and self._audio.fault:
            raise TruncatedError(f"{self._audio.path}: {self._audio.fault}")

    def _finish(self) -> None:
        if not self._cut_short:
            self._check_going_on()
        parts = list(self._kept.parts) if self._kept is not None else []
        if self._last_pts is not None and self._end is not None:
            self._mux(self._stream.encode(None))
            self._container.close()
            if self._file.error is not None:
                raise self._file.error
            last = self._last_pts * self._time_base
            parts.append(VideoPart(path=self._parts.media, packets=self._packets, last=last, end=self._end))
        if not parts:
            return
        comment = ""
        if self._cut_short and self._making is not None:
            comment = mark(self._making, self._encoded_as, self._start)
        join(
            parts,
            self._parts.joined,
            self._muxer,
            time_base=self._time_base,
            rate=self._rate,
            tag=self._codec.tag,
            audio=self._audio,
            until=parts[-1].end if self._cut_short else None,
            comment=comment,
        )
        sync(self._parts.joined)  # the parts, from which it could be made again, are removed next
        self._parts.joined.replace(self._path)

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
