"""Raw frames for another program: BGR bytes or YUV4MPEG2, down a pipe."""

from __future__ import annotations

import os
from types import TracebackType

import numpy as np

from unit_edge.errors import ConfigError, SinkError
from unit_edge.frames import Frame, VideoInfo
from unit_edge.media.colour import FromBgr
from unit_edge.media.containers import reason
from unit_edge.runtime.sinks.video.sink import even_sized

RAW_FORMATS = ("bgr24", "yuv4mpegpipe")


class RawSink:
    """Every frame to a file descriptor, at one size and without times.

    "bgr24" is nothing but height * width * 3 bytes a frame, "yuv4mpegpipe" 4:2:0 with a header that says size
    and rate; there an odd width or height grows by one.
    """

    def __init__(self, descriptor: int, info: VideoInfo, format: str = "yuv4mpegpipe") -> None:
        """`descriptor` stays the caller's; `format` is one of RAW_FORMATS."""
        if format not in RAW_FORMATS:
            raise ConfigError(f"unknown raw format {format!r}; known: {', '.join(RAW_FORMATS)}")
        self._descriptor, self._info, self._format = descriptor, info, format

    def __enter__(self) -> RawSink:
        self._from_bgr = FromBgr(self._info.colour.matrix)
        if self._format == "yuv4mpegpipe":
            info, aspect = self._info, self._info.pixel_aspect
            width, height = info.width + info.width % 2, info.height + info.height % 2
            header = (
                f"YUV4MPEG2 W{width} H{height} F{info.fps.numerator}:{info.fps.denominator} Ip "
                f"A{aspect.numerator}:{aspect.denominator} C420mpeg2 XYSCSS=420MPEG2 XCOLORRANGE=LIMITED\n"
            )
            self._write(header.encode())
        return self

    def write(self, frame: Frame) -> None:
        height, width = frame.image.shape[:2]
        if (width, height) != (self._info.width, self._info.height):
            raise SinkError(
                f"-: a frame of {width}x{height} in a stream of {self._info.width}x{self._info.height}"
            )
        if self._format == "bgr24":
            self._write(np.ascontiguousarray(frame.image).data.cast("B"))
            return
        planes = self._from_bgr(even_sized(frame.image)).to_ndarray()
        self._write(b"FRAME\n")
        self._write(np.ascontiguousarray(planes).data.cast("B"))

    def cut_short(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def _write(self, data: bytes | memoryview) -> None:
        left = memoryview(data)
        try:
            while left:
                left = left[os.write(self._descriptor, left) :]
        except BrokenPipeError:
            raise SinkError("-: the program that reads the frames has ended") from None
        except OSError as error:
            raise SinkError(f"-: can't be written: {reason(error)}") from None
