"""Options of `translate` that say what is written and how."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Annotated

import typer

from unit_edge.cli.options.limits import COUNT_AT_MOST, SECONDS_AT_MOST
from unit_edge.errors import ConfigError

Outputs = Annotated[
    list[str] | None,
    typer.Option(
        "-o",
        "--output",
        metavar="OUTPUT",
        help="A file; - for raw frames on stdout; udp://, tcp://, srt://, rtsp:// or rtmp://; /dev/videoN. "
        "May be repeated. [default: INPUT-DOMAIN.mp4 in this folder]",
    ),
]
RawFormat = Annotated[str, typer.Option(metavar="NAME", help="Of frames on stdout: yuv4mpegpipe or bgr24.")]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with an OUTPUT that was interrupted; begin if there is none.")
]
Batch = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=COUNT_AT_MOST,
        metavar="N",
        help="Frames of a file in one call; what the MODEL was exported for.",
    ),
]
Codec = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="h264, hevc, av1, or on an NVIDIA GPU h264-nvenc, hevc-nvenc, av1-nvenc. "
        "[default: h264; av1 for .webm]",
    ),
]
Crf = Annotated[
    float, typer.Option(help="Quality of the video, 0 (best) to 51, on x264's scale for every codec.")
]
Preset = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Effort, by x264's names; auto is superfast where few cores do all, else veryfast.",
    ),
]
Show = Annotated[
    bool,
    typer.Option(
        "--show", help="Show it in a window; press h there for its keys. Without -o, no file is written."
    ),
]
SideBySide = Annotated[
    bool, typer.Option("--side-by-side", help="The input on the left, its translation on the right.")
]
Steady = Annotated[
    bool, typer.Option("--steady", help="Take flicker out of a video, along the optical flow.")
]
RainDrops = Annotated[
    float,
    typer.Option(metavar="AMOUNT", help="Drops on the glass and streaks, 0 to 4; 1 is a wet drive."),
]
Snowflakes = Annotated[float, typer.Option(metavar="AMOUNT", help="Falling snow, 0 to 4.")]
Size = Annotated[
    str | None, typer.Option(metavar="WxH", help="Size of the whole output picture, of the same shape.")
]
Start = Annotated[
    str | None, typer.Option(metavar="TIME", help="Begin there: seconds, or [H:]M:S as in 1:02.5.")
]
Duration = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Stop after that much of the input, or of its time if live."),
]


@contextmanager
def stdout_for_frames(wanted: bool) -> Iterator[int]:
    """A file descriptor for frames; within it, all that is printed to stdout goes to stderr."""
    if not wanted:
        yield 1
        return
    sys.stdout.flush()
    frames = os.dup(1)
    try:
        os.dup2(2, 1)
        yield frames
    finally:
        sys.stdout.flush()
        os.dup2(frames, 1)
        os.close(frames)


_DIGITS_AT_MOST = 18  # those of 64 bits


def seconds(text: str | None) -> Fraction | None:
    """Seconds exactly, from "12.5", "1:02.5" or "1:00:02"; None stays None.

    Raises:
        ConfigError: it is no time.
    """
    if text is None:
        return None
    parts = text.split(":")
    whole, _, decimals = parts[-1].partition(".")
    digits = (*parts[:-1], whole or "0", decimals or "0")
    fits = [part.isascii() and part.isdigit() and len(part) <= _DIGITS_AT_MOST for part in digits]
    if not all(fits) or len(parts) > 3 or not (whole or decimals):
        raise ConfigError(f"time {text!r}: expected seconds or H:M:S, such as 90, 12.5 or 1:30")
    total = Fraction(f"{whole or '0'}.{decimals or '0'}")
    for part, unit in zip(reversed(parts[:-1]), (60, 3600), strict=False):
        total += int(part) * unit
    if total > SECONDS_AT_MOST:
        raise ConfigError(f"time {text!r}: expected at most {SECONDS_AT_MOST} s")
    return total
