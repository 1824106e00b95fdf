"""The source that one argument names, with the options that fit its kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from fractions import Fraction

from unit_edge.errors import ConfigError
from unit_edge.media.images import is_image
from unit_edge.runtime.sources.base import FrameSource
from unit_edge.runtime.sources.capture import CameraMode, open_capture
from unit_edge.runtime.sources.excerpt import Excerpt, ExcerptSource
from unit_edge.runtime.sources.images import ImageSource
from unit_edge.runtime.sources.live import LiveSource
from unit_edge.runtime.sources.raw import RawSource
from unit_edge.text.address import LIVE_KINDS, Address, Kind

_FITS: dict[str, tuple[str, tuple[Kind, ...]]] = {
    "camera_size": ("a camera", ("camera", "csi")),
    "camera_fps": ("a camera", ("camera", "csi")),
    "fourcc": ("a camera at /dev/video*", ("camera",)),
    "raw_size": ("raw frames on stdin (-)", ("stdin",)),
    "raw_fps": ("raw frames on stdin (-)", ("stdin",)),
    "reconnect_for": ("a live source", LIVE_KINDS),
    "duration": ("a live source", LIVE_KINDS),
}


@dataclass(frozen=True)
class SourceOptions:
    """What some kinds of sources need or take; None where nothing is asked for.

    Attributes:
        camera_size: width and height in pixels.
        camera_fps: frames a second.
        fourcc: the camera's pixel format, four characters such as MJPG.
        raw_size: width and height of raw frames, in pixels.
        raw_fps: frames a second; 25 if None.
        reconnect_for: seconds that a lost source is waited for; 0 for not at all, None for ever.
        duration: seconds after which a live source ends.
    """

    camera_size: tuple[int, int] | None = None
    camera_fps: float | None = None
    fourcc: str | None = None
    raw_size: tuple[int, int] | None = None
    raw_fps: Fraction | None = None
    reconnect_for: float | None = None
    duration: float | None = None

    def __post_init__(self) -> None:
        if self.fourcc is not None and not (len(self.fourcc) == 4 and self.fourcc.isascii()):
            raise ConfigError(f"--fourcc {self.fourcc!r}: expected four characters, such as MJPG")
        for name in ("camera_fps", "raw_fps", "duration"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise ConfigError(f"{_option(name)} {value}: expected a number above 0")
        if self.reconnect_for is not None and not self.reconnect_for >= 0:
            raise ConfigError(f"--reconnect-for {self.reconnect_for}: expected seconds, 0 or more")

    def check(self, address: Address) -> None:
        """Raises ConfigError if an option doesn't fit the kind of source, or one is missing."""
        for entry in fields(self):
            what, kinds = _FITS[entry.name]
            if getattr(self, entry.name) is not None and address.kind not in kinds:
                raise ConfigError(f"{_option(entry.name)} is for {what}; {address.name} is none")
        if address.kind == "stdin" and self.raw_size is None:
            raise ConfigError("raw frames on stdin need --raw-size WxH, such as --raw-size 1280x720")


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def open_source(
    address: Address,
    options: SourceOptions | None = None,
    notice: Callable[[str], None] | None = None,
    excerpt: Excerpt | None = None,
    skip: Fraction = Fraction(0),
) -> FrameSource:
    """The source that an address names; to be entered with `with`, which connects.

    Args:
        address: of the source.
        options: of cameras, streams and raw frames.
        notice: gets a line when a live source is lost and when it is back.
        excerpt: the part of a video file that is wanted.
        skip: how many seconds of that aren't.

    Raises:
        ConfigError: an option doesn't fit.
    """
    options = options or SourceOptions()
    options.check(address)
    if address.kind == "path":
        if address.path.is_dir() or is_image(address.path):
            return ImageSource(address.path)
        return ExcerptSource(address.path, excerpt or Excerpt(), skip=skip)
    if address.kind == "images":
        return ImageSource(address.target)
    if address.kind == "stdin":
        assert options.raw_size is not None, "checked above"
        return RawSource(options.raw_size, options.raw_fps or Fraction(25))
    mode = CameraMode(options.camera_size, options.camera_fps, options.fourcc)
    return LiveSource(
        address.name,
        lambda: open_capture(address, mode),
        reconnect_for_s=options.reconnect_for,
        duration_s=options.duration,
        notice=notice,
    )
