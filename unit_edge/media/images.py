"""Image files to pixels, upright and in 8 bits, for training, export and runtime alike.

What can't be read to its end is an error.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from unit_edge.errors import ImageError
from unit_edge.files.writing import what_else
from unit_edge.media.orientation import Orientation
from unit_edge.media.quiet import quiet_libraries

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".avif", ".tif", ".tiff")
"""Names of image files, in any case."""

_BYTES_AT_MOST = 2**30
_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_ORIENTATION = 0x112  # EXIF tag
_QUARTER_TURNS = (1, 8, 3, 6)  # anticlockwise, as EXIF orientations


def is_image(path: Path) -> bool:
    """Whether a file's name says that it is a picture."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def read_image(path: Path) -> NDArray[np.uint8]:
    """Decodes an image file.

    It is turned upright by its EXIF tag. 16-bit values are divided by 256 (TIFF: 257), whatever they are.
    Transparent pixels are laid over black.

    Returns:
        uint8[H,W,3], BGR, contiguous.

    Raises:
        ImageError: the file can't be opened, is no image, is damaged or cut off, or has more pixels than
            OpenCV allows (2^30, or OPENCV_IO_MAX_IMAGE_PIXELS).
    """
    if other := what_else(path):
        raise ImageError(f"{path}: is {other}, expected an image file")
    try:
        if path.stat().st_size > _BYTES_AT_MOST:
            raise ImageError(f"{path}: larger than {_BYTES_AT_MOST} bytes; expected an image file")
        data = path.read_bytes()
    except ImageError:
        raise
    except (OSError, ValueError) as error:
        raise ImageError(f"{path}: can't be read as an image: {_reason(error)}") from None
    return np.ascontiguousarray(_decode(data, path))


def _decode(data: bytes, path: Path) -> NDArray[np.uint8]:
    complaint = f"{path}: can't be read as an image"
    if not data:
        raise ImageError(f"{complaint}: the file is empty")
    png, avif = data.startswith(_PNG), data[4:12] in (b"ftypavif", b"ftypavis")
    whole = not png or _chunks_end(data)
    whole = whole and (not data.startswith(_JPEG) or _jpeg_ends(data)) and (not avif or _boxes_end(data))
    if not whole:
        raise ImageError(f"{complaint}: the file is cut off")
    # OpenCV lays a TIFF file over black, but shows the hidden colours of the others, and not every
    # version of it turns them upright.
    ours = png or avif or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")
    try:
        with quiet_libraries():
            decoded = cv2.imdecode(
                np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED if ours else cv2.IMREAD_COLOR
            )
    except (cv2.error, MemoryError) as error:
        why = getattr(error, "err", "") or "not enough memory"
        if "MAX_IMAGE_PIXELS" in why:
            why = "it claims more pixels than OpenCV allows (OPENCV_IO_MAX_IMAGE_PIXELS)"
        elif "MAX_IMAGE_" in why:
            why = "it claims to be wider or higher than OpenCV allows (2^20 pixels)"
        raise ImageError(f"{complaint}: {' '.join(why.split())}") from None
    if decoded is None:
        raise ImageError(f"{complaint}: damaged, cut off, or in an unknown format")
    if avif:
        orientation, bits = _avif_properties(data)
        return orientation.apply(_opaque(np.asarray(decoded), bits))
    image = _opaque(np.asarray(decoded))
    return Orientation.of_exif(_exif_orientation(data)).apply(image) if ours else image


def _opaque(image: NDArray[np.generic], bits: int = 16) -> NDArray[np.uint8]:
    """What OpenCV decodes, uint8 or uint16 with so many bits, grey or BGR or BGRA → uint8[H,W,3]."""
    deep = image.dtype == np.uint16
    pixels = image.astype(np.uint16, copy=False) >> (bits - 8) if deep else image
    pixels = pixels.astype(np.uint8, copy=False)
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[:, :, None], 3, axis=2)
    if pixels.shape[2] == 4:
        light = pixels[:, :, :3].astype(np.uint16) * pixels[:, :, 3:]
        pixels = ((light + 127) // 255).astype(np.uint8)
    return pixels


def _chunks_end(data: bytes) -> bool:
    """Whether a PNG file's chunks are there up to the last one; OpenCV makes room for what a chunk claims."""
    place = len(_PNG)
    while place + 8 <= len(data):
        end = place + 12 + int.from_bytes(data[place : place + 4], "big")
        if end > len(data):
            return False
        if data[place + 4 : place + 8] == b"IEND":
            return True
        place = end
    return False


def _jpeg_ends(data: bytes) -> bool:
    """Whether the last marker of a JPEG file is there; its thumbnail's, before the scan, does not count."""
    place = 2
    while data[place : place + 1] == b"\xff":
        if data[place + 1 : place + 2] == b"\xda":  # start of scan
            return data.find(b"\xff\xd9", place) >= 0
        fill = data[place + 1 : place + 2] == b"\xff"
        place += 1 if fill else 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return False


def _exif_orientation(data: bytes) -> int:
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


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """The boxes (ISO/IEC 14496-12, 4.2) of a part of a file: kind, and where its content begins and ends."""
    while start + 8 <= end:
        length, header = int.from_bytes(data[start : start + 4], "big"), 8
        if length == 1:
            length, header = int.from_bytes(data[start + 8 : start + 16], "big"), 16
        stop = start + length if length else end
        yield data[start + 4 : start + 8], start + header, stop
        start = max(stop, start + header)


def _boxes_end(data: bytes) -> bool:
    """Whether a file ends where its last box does."""
    stops = [stop for _, _, stop in _boxes(data, 0, len(data))]
    return bool(stops) and stops[-1] == len(data)


def _avif_properties(data: bytes) -> tuple[Orientation, int]:
    """How an AVIF file's picture becomes upright, and the bits of its values; its EXIF data doesn't count."""
    place, end = 0, len(data)
    for wanted, skipped in ((b"meta", 4), (b"iprp", 0), (b"ipco", 0)):
        found = [(begin, stop) for kind, begin, stop in _boxes(data, place, end) if kind == wanted]
        if not found:
            return Orientation(), 8
        place, end = found[0][0] + skipped, found[0][1]
    found_in = {kind: data[begin:stop] for kind, begin, stop in _boxes(data, place, end)}
    turned = Orientation.of_exif(_QUARTER_TURNS[found_in.get(b"irot", b"\0")[0] & 3])
    if b"imir" in found_in:
        left_to_right = bool(found_in[b"imir"][0] & 1)
        turned = replace(
            turned, flip_x=turned.flip_x ^ left_to_right, flip_y=turned.flip_y ^ (not left_to_right)
        )
    return turned, max(found_in.get(b"pixi", bytes(5) + b"\x08")[5:] or b"\x08")


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno)
    return str(error)
