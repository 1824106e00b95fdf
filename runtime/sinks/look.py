"""How a translated frame is shown: beside the one that it is of, and at another size."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from unit_edge.errors import ConfigError
from unit_edge.frames import FRAME_SIDES, Frame, VideoInfo
from unit_edge.runtime.resize import resized
from unit_edge.runtime.sinks.base import FrameSink
from unit_edge.runtime.sinks.passing import PassingSink
from unit_edge.runtime.sinks.weather import Weather

_OFF_BY = 2  # pixels that rounding to even sizes may take from the shape


@dataclass(frozen=True)
class Look:
    """What is done with the frames between the model and the outputs.

    Attributes:
        side_by_side: the input on the left, its translation on the right, in a picture twice as wide.
        weather: what falls over the translated frames.
        size: width and height of the whole picture that is written, both even and of the same shape as it
            would have without; None for that.
    """

    side_by_side: bool = False
    size: tuple[int, int] | None = None
    weather: Weather = field(default_factory=Weather)

    def __post_init__(self) -> None:
        if self.size is None:
            return
        least, most = FRAME_SIDES
        if any(side % 2 or not least <= side <= 2 * most for side in self.size):
            width, height = self.size
            raise ConfigError(f"size {width}x{height}: expected even numbers of at least {least} pixels")

    def __bool__(self) -> bool:
        return self.side_by_side or self.size is not None

    def info(self, info: VideoInfo) -> VideoInfo:
        """What is known of the frames as they come out, given those that the source has.

        Raises:
            ConfigError: the size would squeeze the picture.
        """
        width, height = info.width * (2 if self.side_by_side else 1), info.height
        if self.size is None:
            return replace(info, width=width, height=height)
        wide, high = self.size
        if abs(wide - high * width / height) > _OFF_BY and abs(high - wide * height / width) > _OFF_BY:
            beside = " side by side" if self.side_by_side else ""
            fits = f"{wide}x{_even(wide * height / width)} or {_even(high * width / height)}x{high}"
            raise ConfigError(
                f"size {wide}x{high}: the picture is {width}x{height}{beside}, which is another shape; "
                f"{fits} would fit"
            )
        return replace(info, width=wide, height=high)

    def image(self, frame: Frame) -> NDArray[np.uint8]:
        """The picture to show; the frame's own where nothing is to be done."""
        image = beside(frame) if self.side_by_side else frame.image
        return image if self.size is None else resized(image, *self.size)


def beside(frame: Frame) -> NDArray[np.uint8]:
    """uint8[H,2W,3]: what the frame was before, and what it is; twice itself where nothing is known."""
    before = frame.image if frame.before is None else frame.before
    height, width = frame.image.shape[:2]
    return np.concatenate([resized(before, width, height), frame.image], axis=1)


class LookSink(PassingSink):
    """Gives frames the look before they go into other sinks."""

    def __init__(self, look: Look, sink: FrameSink) -> None:
        super().__init__(sink)
        self._look = look

    def passed(self, frame: Frame) -> Frame:
        return replace(frame, image=self._look.image(frame), before=None)


def _even(value: float) -> int:
    return max(2, 2 * round(value / 2))
