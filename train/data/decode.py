"""Image files to pixels, upright and in 8 bits; what can't be read to its end is an error."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from unit_edge.errors import DataError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
"""Names of image files, in any case."""

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_ORIENTATION = 0x112  # EXIF tag


@dataclass(frozen=True)
class ImageItem:
    """An image of a domain: a file, or the left or right half of one."""

    path: Path
    half: Literal["", "left", "right"] = ""

    def __str__(self) -> str:
        return f"{self.path} ({self.half} half)" if self.half else str(self.path)


def read_image(item: ImageItem) -> NDArray[np.uint8]:
    """Decodes an image.

    It is turned upright by its EXIF tag. 16-bit values are divided by 256 (TIFF: 257), whatever they are.
    Transparent pixels are laid over black. Of an odd width, both halves leave the middle column out.

    Returns:
        uint8[H,W,3], BGR, contiguous.

    Raises:
        DataError: the file can't be opened, is no image, is damaged or cut off, or has more pixels than
            OpenCV allows (2^30, or OPENCV_IO_MAX_IMAGE_PIXELS).
    """
    try:
        data = item.path.read_bytes()
    except (OSError, ValueError) as error:
        raise DataError(f"{item.path}: can't be read as an image: {_reason(error)}") from None
    image = _decode(data, item.path)
    if item.half:
        middle = image.shape[1] // 2
        if middle == 0:
            raise DataError(f"{item.path}: can't be read as an image of two halves: it is 1 pixel wide")
        image = image[:, :middle] if item.half == "left" else image[:, image.shape[1] - middle :]
    return np.ascontiguousarray(image)


def _decode(data: bytes, path: Path) -> NDArray[np.uint8]:
    complaint = f"{path}: can't be read as an image"
    png = data.startswith(_PNG)
    if not data:
        raise DataError(f"{complaint}: the file is empty")
    if (png and b"IEND" not in data) or (data.startswith(_JPEG) and not _jpeg_ends(data)):
        raise DataError(f"{complaint}: the file is cut off")
    # OpenCV lays a TIFF file over black, but shows the hidden colours of a PNG or WebP file, and not
    # every version of it turns these upright.
    ours = png or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")
    try:
        decoded = cv2.imdecode(
            np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED if ours else cv2.IMREAD_COLOR
        )
    except (cv2.error, MemoryError) as error:
        why = getattr(error, "err", "") or "not enough memory"
        if "MAX_IMAGE_PIXELS" in why:
            why = "it claims more pixels than OpenCV allows (OPENCV_IO_MAX_IMAGE_PIXELS)"
        raise DataError(f"{complaint}: {' '.join(why.split())}") from None
    if decoded is None:
        raise DataError(f"{complaint}: damaged, cut off, or in an unknown format")
    image = _opaque(np.asarray(decoded))
    return _upright(image, _orientation(data)) if ours else image


def _opaque(image: NDArray[np.generic]) -> NDArray[np.uint8]:
    """What OpenCV decodes, uint8 or uint16, grey or BGR or BGRA → uint8[H,W,3]."""
    deep = image.dtype == np.uint16
    pixels = (image.astype(np.uint16, copy=False) >> 8 if deep else image).astype(np.uint8, copy=False)
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[:, :, None], 3, axis=2)
    if pixels.shape[2] == 4:
        light = pixels[:, :, :3].astype(np.uint16) * pixels[:, :, 3:]
        pixels = ((light + 127) // 255).astype(np.uint8)
    return pixels


def _jpeg_ends(data: bytes) -> bool:
    """Whether the last marker of a JPEG file is there; its thumbnail's, before the scan, does not count."""
    place = 2
    while data[place : place + 1] == b"\xff":
        if data[place + 1 : place + 2] == b"\xda":  # start of scan
            return data.find(b"\xff\xd9", place) >= 0
        fill = data[place + 1 : place + 2] == b"\xff"
        place += 1 if fill else 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return False


def _orientation(data: bytes) -> int:
    """The EXIF orientation of a PNG or WebP file, 1 to 8; 1 (upright) if it has none."""
    for place, start in ((data.rfind(b"eXIf"), 4), (data.rfind(b"EXIF"), 8)):
        if place < 0:
            continue
        tiff = data[place + start :].removeprefix(b"Exif\0\0")
        order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
        if order is None:
            continue
        try:
            (directory,) = struct.unpack_from(order + "I", tiff, 4)
            (entries,) = struct.unpack_from(order + "H", tiff, directory)
            for entry in range(entries):
                tag, _, _, value = struct.unpack_from(order + "HHIH", tiff, directory + 2 + 12 * entry)
                if tag == _ORIENTATION and 1 <= value <= 8:
                    return int(value)
        except struct.error:
            continue
    return 1


def _upright(image: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Undoes an EXIF orientation."""
    if orientation >= 5:
        image = image.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return image


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno)
    return str(error)
