"""What reading and writing of media files share: opening, clocks, colour and uprightness."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from unit_edge.errors import SourceError
from unit_edge.files import what_else
from unit_edge.frames import Colour

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")
VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".3gp", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts"),
    *(".mpg", ".mpeg", ".flv", ".wmv", ".ogv"),
)

# swscale's shortcuts truncate: there and back they darken a video by one or two levels. These are
# SWS_BILINEAR, FULL_CHR_H_INT, FULL_CHR_H_INP and ACCURATE_RND; not every PyAV has names for them.
_EXACT = 1 << 1 | 1 << 13 | 1 << 14 | 1 << 18
# PyAV 19 replaces what is no UTF-8 in a title by itself; those before it have to be told.
_PYAV_MAJOR = int(av.__version__.partition(".")[0])
_OPEN_OPTIONS: dict[str, Any] = {"metadata_errors": "replace"} if _PYAV_MAJOR < 19 else {}
_LIMITED_RANGE = 1
_UNSPECIFIED = 2
# H.273 matrix → swscale's number for the same coefficients
_SWS_MATRIX = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}
_ATTACHED_PICTURE = 1 << 10
_INDEX_AT_THE_END = {".mp4", ".m4v", ".mov", ".3gp"}
# The length in the header of these formats is of the whole recording, even where the file was cut
# off later; other demuxers measure what is there.
_FORMATS_THAT_STATE_THEIR_LENGTH = {"mov", "matroska", "avi", "flv", "asf"}
_LENGTH_TOLERANCE_S = Fraction(1, 4)


def open_media(path: Path) -> InputContainer:
    """Opens a file for reading.

    Raises:
        SourceError: it is missing, a folder, unreadable, or nothing that FFmpeg knows.
    """
    refuse_pipe(path)
    try:
        # "file:", or FFmpeg would take a name with a colon for an address.
        container: InputContainer = av.open(f"file:{path}", "r", **_OPEN_OPTIONS)
    except FileNotFoundError:
        raise SourceError(f"{path}: no such file; expected a video or an image") from None
    except (av.FFmpegError, OSError, ValueError) as error:
        if path.is_file() and path.stat().st_size == 0:
            raise SourceError(f"{path}: an empty file; expected a video") from None
        hint = ""
        if path.suffix.lower() in _INDEX_AT_THE_END:
            hint = "; a recording that broke off lacks its index and must be repaired first"
        raise SourceError(f"{path}: not a video that FFmpeg can read ({reason(error)}){hint}") from None
    if container.format.name == "tty":  # FFmpeg draws text files as ANSI art
        container.close()
        raise SourceError(f"{path}: a text file; expected a video")
    return container


def refuse_pipe(path: Path) -> None:
    """Raises SourceError for what may be waited for without an end, and can't be read twice."""
    if other := what_else(path):
        raise SourceError(f"{path}: is {other}, expected a file; pipe raw frames into - with --raw-size")


def reason(error: BaseException) -> str:
    """What an FFmpeg or operating-system error says, without its number and file name."""
    return str(getattr(error, "strerror", None) or error).strip().rstrip(".") or type(error).__name__


def pick_stream(container: InputContainer, kind: str) -> Stream | None:
    """The first "video" (no cover art) or "audio" stream that has a decoder, or None."""
    for stream in container.streams:
        cover_art = int(stream.disposition) & _ATTACHED_PICTURE
        if stream.type == kind and not cover_art and stream.codec_context is not None:
            return stream
    return None


def exact(value: Any) -> Fraction | None:
    """A rate or time base of PyAV (a Fraction, from version 19 an AVRational), or None if it isn't set."""
    return Fraction(value.numerator, value.denominator) if value else None


def stated_packets(container: InputContainer, stream: VideoStream) -> int | None:
    """How many packets the index of an MP4 or MOV file lists, edit lists respected; else None."""
    if "mov" not in container.format.name.split(",") or not stream.frames:
        return None
    return len(stream.index_entries)


def missing_part(
    container: InputContainer, stream: VideoStream, count: int | None, end: Fraction
) -> str | None:
    """What a file that was read to its end lacks of what it promised; FFmpeg itself just ends early.

    Args:
        container: that has been read.
        stream: of which packets were counted.
        count: of its packets; None if they weren't read from the first on.
        end: of the last packet of any stream, in seconds on the container's clock.

    Returns:
        "3 of 10 packets" or "1.0 of 2.0 s"; None if nothing is known to be missing.
    """
    expected = stated_packets(container, stream)
    if expected is not None and count is not None:
        return f"{count} of {expected} packets" if count < expected else None
    formats = set(container.format.name.split(","))
    if container.duration is None or not formats & _FORMATS_THAT_STATE_THEIR_LENGTH:
        return None
    stated = Fraction((container.start_time or 0) + container.duration, av.time_base)
    return f"{float(end):.1f} of {float(stated):.1f} s" if end + _LENGTH_TOLERANCE_S < stated else None


def timeline_start(video: Stream, audio: Stream | None) -> Fraction:
    """Seconds on the container's clock that become 0: when the first of picture and sound starts.

    Sound that starts before 0 is the encoder's run-in, which players skip.
    """
    starts = []
    if video.start_time is not None:
        starts.append(_seconds(video.start_time, video.time_base))
    if audio is not None and audio.start_time is not None:
        starts.append(max(Fraction(0), _seconds(audio.start_time, audio.time_base)))
    return min(starts, default=Fraction(0))


def _seconds(ticks: int, time_base: Any) -> Fraction:
    return ticks * (exact(time_base) or Fraction(0))


def colour_of(frame: VideoFrame) -> Colour:
    """The colour tags of a decoded frame; what is not tagged is guessed by size, as browsers do."""
    high_definition = frame.width >= 1280 or frame.height > 576
    matrix = int(frame.colorspace)
    if matrix not in _SWS_MATRIX:
        matrix = 1 if high_definition else 6
    default = 6 if matrix in (4, 5, 6, 7) else 1
    primaries, transfer = int(frame.color_primaries), int(frame.color_trc)
    return Colour(
        matrix=matrix,
        primaries=default if primaries in (0, _UNSPECIFIED) else primaries,
        transfer=default if transfer in (0, _UNSPECIFIED) else transfer,
    )


class ToBgr:
    """Decoded frames to BGR arrays of one size, with one converter for the whole video."""

    def __init__(self, width: int, height: int) -> None:
        self._width, self._height = width, height
        self._reformatter = VideoReformatter()

    def __call__(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """uint8[height,width,3], BGR, contiguous."""
        converted = self._reformatter.reformat(
            frame,
            self._width,
            self._height,
            "bgr24",
            src_colorspace=_SWS_MATRIX[colour_of(frame).matrix],
            interpolation=_EXACT,
        )
        return np.ascontiguousarray(converted.to_ndarray(), dtype=np.uint8)


class FromBgr:
    """BGR arrays to frames for an encoder: YUV 4:2:0, limited range."""

    def __init__(self, matrix: int) -> None:
        self._matrix = _SWS_MATRIX[matrix]
        self._reformatter = VideoReformatter()

    def __call__(self, image: NDArray[np.uint8]) -> VideoFrame:
        """A yuv420p frame of the same size; height and width of the image must be even."""
        frame = VideoFrame.from_numpy_buffer(np.ascontiguousarray(image), "bgr24")
        return self._reformatter.reformat(
            frame,
            format="yuv420p",
            dst_colorspace=self._matrix,
            dst_color_range=_LIMITED_RANGE,
            interpolation=_EXACT,
        )


@dataclass(frozen=True)
class Orientation:
    """How a stored picture becomes upright: first transposed, then flipped."""

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @classmethod
    def of(cls, frame: VideoFrame) -> Orientation:
        """From the display matrix that cameras and phones write; to the nearest quarter turn."""
        matrix: Any = frame.side_data.get("DISPLAYMATRIX")
        if matrix is None:
            return cls()
        a, b, _, c, d, *_ = struct.unpack("=9i", bytes(matrix))  # x' = ax + cy, y' = bx + dy
        if abs(a) >= abs(b):
            return cls(False, a < 0, d < 0)
        return cls(True, c < 0, b < 0)

    def apply(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The upright picture; the same array where it already is."""
        if self.transpose:
            image = _as_uint8(cv2.transpose(image))
        if self.flip_x or self.flip_y:
            code = -1 if self.flip_x and self.flip_y else int(self.flip_x)  # as cv2.flip has it
            image = _as_uint8(cv2.flip(image, code))
        return image


def _as_uint8(array: NDArray[np.generic] | cv2.Mat) -> NDArray[np.uint8]:
    return np.asarray(array, dtype=np.uint8)


def is_image(path: Path) -> bool:
    """Whether a file's name says that it is a picture."""
    return path.suffix.lower() in IMAGE_SUFFIXES
