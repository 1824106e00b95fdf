"""The options of inputs that are no files: cameras, streams, raw frames."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Annotated

import typer

from unit_edge.errors import ConfigError
from unit_edge.text.sizes import parse_size

if TYPE_CHECKING:
    from unit_edge.runtime.sources.open import SourceOptions

_INPUT = (
    "A video, an image, a folder or quoted pattern of either; a camera (0, /dev/video0, csi://0), a URL "
    "(rtsp, rtmp, http, udp, tcp), a GStreamer pipeline, or - for raw frames on stdin."
)
InputArgument = Annotated[str, typer.Argument(metavar="INPUT", help=_INPUT)]
InputsArgument = Annotated[
    list[str], typer.Argument(metavar="INPUT", help=f"{_INPUT} Or several videos, one by one.")
]
CameraSize = Annotated[
    str | None, typer.Option(metavar="WxH", help="What the camera shall give. [default: its own]")
]
CameraFps = Annotated[float | None, typer.Option(metavar="FPS", help="How many frames it shall give.")]
Fourcc = Annotated[str | None, typer.Option(metavar="CODE", help="Its pixel format, such as MJPG.")]
RawSize = Annotated[str | None, typer.Option(metavar="WxH", help="Size of the raw BGR frames on stdin.")]
RawFps = Annotated[
    str | None, typer.Option(metavar="FPS", help="Their rate, 30 or 30000/1001. [default: 25]")
]
ReconnectFor = Annotated[
    float | None,
    typer.Option(metavar="SECONDS", help="How long to wait for a lost camera or stream. [default: for ever]"),
]


def source_options(
    camera_size: str | None,
    camera_fps: float | None,
    fourcc: str | None,
    raw_size: str | None,
    raw_fps: str | None,
    reconnect_for: float | None,
    duration: Fraction | None,
) -> SourceOptions:
    """The options as they were typed, parsed.

    Args:
        camera_size: WxH.
        camera_fps: frames a second that a camera is asked for.
        fourcc: the camera's pixel format.
        raw_size: WxH of raw frames.
        raw_fps: of raw frames, a number or a fraction.
        reconnect_for: seconds for which a lost source is waited for.
        duration: seconds after which a live source ends.

    Raises:
        ConfigError: one is none.
    """
    from unit_edge.runtime.sources.open import SourceOptions

    rate = None
    if raw_fps is not None:
        try:
            rate = Fraction(raw_fps)
        except (ValueError, ZeroDivisionError):
            raise ConfigError(f"--raw-fps {raw_fps!r}; expected a number, such as 25 or 30000/1001") from None
    return SourceOptions(
        camera_size=parse_size(camera_size, "--camera-size"),
        camera_fps=camera_fps,
        fourcc=fourcc,
        raw_size=parse_size(raw_size, "--raw-size"),
        raw_fps=rate,
        reconnect_for=reconnect_for,
        duration=None if duration is None else float(duration),
    )
