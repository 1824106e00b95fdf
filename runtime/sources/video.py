"""Video files as a source."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from unit_edge.errors import SourceError, TruncatedError
from unit_edge.frames import Frame, VideoInfo
from unit_edge.media.clocks import exact, timeline_start
from unit_edge.media.colour import ToBgr, colour_of
from unit_edge.media.containers import open_media, pick_stream
from unit_edge.media.limits import PIXELS_AT_MOST
from unit_edge.media.orientation import Orientation
from unit_edge.runtime.sources.demux import Clock, PacketReader, stated_frames
from unit_edge.runtime.sources.losses import Losses

_DEFAULT_FPS = Fraction(25)
_DAMAGED = "damaged data; `ffmpeg -i INPUT REPAIRED.mp4` gets past it"


class FileSource:
    """A video file through FFmpeg: exact times, upright frames, decoded on several threads.

    Interlaced video stays interlaced, and HDR video is given as it is stored.
    """

    live = False

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def info(self) -> VideoInfo:
        return self._info

    @property
    def duration(self) -> Fraction:
        """Seconds, as the container states them; 0 where it doesn't."""
        return Fraction(self._container.duration or 0, av.time_base)

    def __enter__(self) -> FileSource:
        container = open_media(self._path)
        try:
            self._open(container)
        except BaseException:
            container.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._decoded.close()
        self._container.close()

    def stop(self) -> None: ...

    def _open(self, container: InputContainer) -> None:
        stream, audio = pick_stream(container, "video"), pick_stream(container, "audio")
        if not isinstance(stream, VideoStream):
            raise SourceError(f"{self._path}: no video in it; expected a video file")
        about = stream.codec_context
        if about.width * about.height > PIXELS_AT_MOST:
            raise SourceError(
                f"{self._path}: {about.width}x{about.height}: expected {PIXELS_AT_MOST} pixels at most; "
                "make it smaller first: `ffmpeg -i INPUT -vf scale=3840:-2 SMALLER.mp4`"
            )
        about.options = {"max_pixels": str(PIXELS_AT_MOST)}  # of frames that turn out to be larger
        stream.thread_type = "AUTO"
        fps = exact(stream.guessed_rate) or exact(stream.average_rate) or _DEFAULT_FPS
        self._container, self._stream = container, stream
        self._start = timeline_start(stream, audio)
        self._tick = exact(stream.time_base) or 1 / fps
        self._fps = fps
        self._decoded = self._decode()
        self._first = next(self._decoded)
        self._clock = Clock(self._tick, fps, self._time(self._first))
        width, height = self._first.width, self._first.height
        aspect = exact(stream.sample_aspect_ratio) or Fraction(1)
        self._to_bgr = ToBgr(width, height)
        self._orientation = Orientation.of(self._first)
        if self._orientation.transpose:
            width, height, aspect = height, width, 1 / aspect
        self._info = VideoInfo(
            width=width,
            height=height,
            fps=fps,
            frame_count=stated_frames(container, stream),
            has_audio=audio is not None,
            time_base=self._clock.time_base,
            pixel_aspect=aspect,
            colour=colour_of(self._first),
        )

    def __iter__(self) -> Iterator[Frame]:
        yield self._frame(self._first, 0)
        for index, decoded in enumerate(self._decoded, start=1):
            yield self._frame(decoded, index)

    def frame_at(self, seconds: Fraction) -> Frame:
        """The frame on show at a time, or the nearest one; not to be mixed with iteration.

        Raises:
            SourceError: the file can't be read there.
        """
        # Some formats jump to where a decoder can't begin, so the last try is from the start.
        for lead in (Fraction(0), Fraction(10), seconds):
            shown = self._shown_at(seconds, begin=max(Fraction(0), seconds - lead))
            if shown is not None:
                self._clock.reset()
                return self._frame(shown, 0)
        raise SourceError(f"{self._path}: no frame at {float(seconds):.2f} s")

    def _shown_at(self, seconds: Fraction, begin: Fraction) -> VideoFrame | None:
        """Decodes from the key frame before `begin`; None if that leads to no frame."""
        shown: VideoFrame | None = None
        try:
            self._container.seek(int((begin + self._start) / self._tick), stream=self._stream)
            self._decoded = self._decode()
            for decoded in self._decoded:
                if decoded.pts is not None and decoded.pts * self._tick - self._start > seconds:
                    return shown if shown is not None or begin > 0 else decoded
                shown = decoded
        except (SourceError, av.FFmpegError):  # counts are of the whole file, not of what follows a jump
            return shown
        return shown

    def _frame(self, decoded: VideoFrame, index: int) -> Frame:
        # Not the frame's own time base: PyAV doesn't set it on those that are flushed out at the end.
        image = self._orientation.apply(self._to_bgr(decoded))
        pts = self._clock.next(self._time(decoded))
        return Frame(image=image, index=index, pts=pts, duration=(decoded.duration or 0) * self._tick)

    def _time(self, decoded: VideoFrame) -> Fraction | None:
        return None if decoded.pts is None else decoded.pts * self._tick - self._start

    def _decode(self, *, whole: bool = True) -> Generator[VideoFrame, None, None]:
        """The good frames in order; `whole` unless a jump came before.

        Raises:
            SourceError: there is none.
            TruncatedError: after the good ones, if data is damaged or missing.
        """
        losses = Losses(self._tick, self._fps, self._start)
        packets = PacketReader(self._container, self._stream, losses, whole=whole)
        count = 0
        for frame in self._decoded_frames(packets, losses):
            if not frame.is_corrupt:
                count += 1
                yield frame
            elif count:
                packets.fault = _DAMAGED
                break
            else:
                losses.damaged(frame.pts)
        if count == 0:
            raise SourceError(f"{self._path}: no frame in it that can be decoded; expected a video")
        if packets.fault:
            stated = stated_frames(self._container, self._stream)
            frames = f"{count} of {stated} frames" if stated and whole else f"{count} frames"
            raise TruncatedError(f"{self._path}: reading broke off after {frames}: {packets.fault}")
        if lost := str(losses):
            raise TruncatedError(f"{self._path}: {lost}; the other {count} are there")

    def _decoded_frames(self, packets: PacketReader, losses: Losses) -> Iterator[VideoFrame]:
        """Frames up to the first packet that can't be decoded; its error goes into `packets.fault`.

        What is lost before the first frame, or in silence, is in `losses`.
        """
        started = False
        for packet in packets:
            try:
                frames = self._stream.decode(packet)
            except av.FFmpegError:
                if not started:
                    losses.refused(packet)
                    continue
                packets.fault = _DAMAGED
                break
            losses.sent(packet)
            started = started or bool(frames)
            for frame in frames:
                losses.shown(frame.pts)
                yield frame
        try:
            held_back = self._stream.decode(None)
        except av.FFmpegError:
            packets.fault = packets.fault or _DAMAGED
            return
        for frame in held_back:
            losses.shown(frame.pts)
            yield frame
        losses.ended()
