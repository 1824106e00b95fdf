"""How a frame becomes a detector's input, and boxes on that input become boxes on the frame."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from unit_edge.errors import ConfigError
from unit_edge.runtime.check.boxes import Boxes

PADDING = 114  # the grey that YOLO networks are trained with
_MEAN, _STD = np.array([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]], np.float32)
_FITS = ("letterbox", "top-left", "stretch")
_COLOURS = ("rgb", "bgr")
_RANGES = ("0-1", "0-255", "imagenet")
WORDS = (*_FITS, *_COLOURS, *_RANGES)


@dataclass(frozen=True)
class Preprocess:
    """What a network expects of its input.

    Attributes:
        fit: "letterbox" keeps the aspect ratio and pads around the picture, "top-left" pads right and below,
            "stretch" does not keep it.
        colour: order of the channels.
        values: "0-1", "0-255", or "imagenet": (x / 255 - mean) / deviation of ImageNet.
    """

    fit: str = "letterbox"
    colour: str = "rgb"
    values: str = "0-1"

    def changed(self, words: str | None) -> Preprocess:
        """The same with some of it replaced, as `--preprocess bgr,0-255,top-left` says.

        Raises:
            ConfigError: a word isn't known.
        """
        changed = self
        for word in words.split(",") if words else ():
            for field, known in (("fit", _FITS), ("colour", _COLOURS), ("values", _RANGES)):
                if word.strip() in known:
                    changed = replace(changed, **{field: word.strip()})
                    break
            else:
                raise ConfigError(f"--preprocess {word!r}; expected some of {', '.join(WORDS)}, with commas")
        return changed

    @property
    def text(self) -> str:
        return f"{self.fit},{self.colour},{self.values}"


@dataclass(frozen=True)
class Placement:
    """Where a frame lies on the network's input: x' = x * scale + offset, each for x and y."""

    scale: tuple[float, float]
    offset: tuple[float, float]

    def back(self, boxes: Boxes) -> Boxes:
        """Boxes in pixels of the input, in pixels of the frame."""
        (x, y), (left, top) = self.scale, self.offset
        return boxes.moved((1 / x, 1 / y), (-left / x, -top / y))


def place(image: NDArray[np.uint8], width: int, height: int, fit: str) -> tuple[NDArray[np.uint8], Placement]:
    """A frame uint8[H,W,3] on an input of another size: uint8[height,width,3], the same colours."""
    old_height, old_width = image.shape[:2]
    if fit == "stretch":
        resized = _resized(image, width, height)
        return resized, Placement((width / old_width, height / old_height), (0.0, 0.0))
    scale = min(width / old_width, height / old_height)
    new_width, new_height = min(width, round(old_width * scale)), min(height, round(old_height * scale))
    left = top = 0
    if fit == "letterbox":
        # as ultralytics' LetterBox rounds it
        left, top = round((width - new_width) / 2 - 0.1), round((height - new_height) / 2 - 0.1)
    canvas = np.full((height, width, 3), PADDING, np.uint8)
    canvas[top : top + new_height, left : left + new_width] = _resized(image, new_width, new_height)
    return canvas, Placement((new_width / old_width, new_height / old_height), (float(left), float(top)))


def _resized(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    if image.shape[1::-1] == (width, height):
        return image
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def as_input(canvas: NDArray[np.uint8], preprocess: Preprocess) -> NDArray[np.float32]:
    """uint8[H,W,3] BGR to float32[1,3,H,W] in the order and range that the network expects."""
    image = canvas[..., ::-1] if preprocess.colour == "rgb" else canvas
    values = image.astype(np.float32)
    if preprocess.values != "0-255":
        values /= 255
    if preprocess.values == "imagenet":
        order = slice(None) if preprocess.colour == "rgb" else slice(None, None, -1)
        values = (values - _MEAN[order]) / _STD[order]
    return np.ascontiguousarray(values.transpose(2, 0, 1)[None])
