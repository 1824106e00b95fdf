"""Opening of media files: their streams, and what they promised and lack."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.stream import Stream
from av.video.stream import VideoStream

from unit_edge.errors import SourceError
from unit_edge.files.writing import what_else

VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".3gp", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts"),
    *(".mpg", ".mpeg", ".flv", ".wmv", ".ogv"),
)

# PyAV 19 replaces what is no UTF-8 in a title by itself; those before it have to be told.
_PYAV_MAJOR = int(av.__version__.partition(".")[0])
# Formats that name other files or addresses, which FFmpeg would open, or wait for: a playlist without an end
# is read anew for ever.
_LISTS = frozenset(
    ("concat", "dash", "hls", "imf", "lavfi", "rtp", "rtsp", "sap", "sdp", "vobsub", "webm_dash_manifest")
)
_LIST_HEADS = (b"#EXTM3U", b"ffconcat", b"v=0")
OPEN_OPTIONS: dict[str, Any] = {
    "options": {"format_whitelist": ",".join(sorted(av.formats_available - _LISTS))},
    **({"metadata_errors": "replace"} if _PYAV_MAJOR < 19 else {}),
}
"""Of `av.open` for reading a file: no format that opens others is among those that it may have."""
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
        container: InputContainer = av.open(f"file:{path}", "r", **OPEN_OPTIONS)
    except FileNotFoundError:
        raise SourceError(f"{path}: no such file; expected a video or an image") from None
    except (av.FFmpegError, OSError, ValueError) as error:
        if path.is_file() and path.stat().st_size == 0:
            raise SourceError(f"{path}: an empty file; expected a video") from None
        if _begins_as_a_list(path):
            raise SourceError(
                f"{path}: a list of other files, which aren't opened; give one of them, or the list's URL"
            ) from None
        hint = ""
        if path.suffix.lower() in _INDEX_AT_THE_END:
            hint = "; a recording that broke off lacks its index and must be repaired first"
        raise SourceError(f"{path}: not a video that FFmpeg can read ({reason(error)}){hint}") from None
    if container.format.name == "tty":  # FFmpeg draws text files as ANSI art
        container.close()
        raise SourceError(f"{path}: a text file; expected a video")
    return container


def _begins_as_a_list(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(11)
    except OSError:
        return False
    return head.removeprefix(b"\xef\xbb\xbf").startswith(_LIST_HEADS)


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
