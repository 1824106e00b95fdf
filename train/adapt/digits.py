"""Sets of labelled digits: .npz, SVHN's .mat files, or a folder with a folder of images a class."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from unit_edge.config.adapt import CLASSES, SIDE
from unit_edge.errors import DataError
from unit_edge.files.writing import replacing, what_else
from unit_edge.media.images import IMAGE_SUFFIXES
from unit_edge.text.printable import one_line
from unit_edge.train.data.decode import ImageItem, read_image
from unit_edge.train.data.frames_cache import cache_root

UNKNOWN = -1
"""The label of an image without one."""
_SIDES = 8, 1024
"""Sides of an image in pixels, smallest and largest."""
_ZERO_IN_SVHN = 10
_BYTES_AT_MOST = 2**31
_AT_ONCE = 10_000
"""Images that are converted at once."""


@dataclass(frozen=True)
class Digits:
    """Images and what they show.

    Attributes:
        images: uint8[N,32,32,C], RGB where C is 3; of SVHN's files memory-mapped.
        labels: int64[N], 0 to 9; `UNKNOWN` where the set has none.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)


def read_all(paths: Sequence[str], root: Path, channels: int, labelled: bool = True) -> list[Digits]:
    """The sets of a domain.

    Args:
        paths: files or folders, relative to `root`.
        root: the data root.
        channels: 1 or 3, which images are brought to.
        labelled: whether labels are needed; sets may have them if not.

    Raises:
        DataError: one is missing or unusable, or a class has no image in any of them.
    """
    sets = [read_digits(root / path, channels, labelled) for path in paths]
    labels = np.concatenate([part.labels for part in sets])
    if UNKNOWN in labels:
        return sets
    counts = np.bincount(labels, minlength=CLASSES)
    empty = [str(digit) for digit in range(CLASSES) if counts[digit] == 0]
    if empty:
        named = ", ".join(str(root / path) for path in paths)
        raise DataError(f"{named}: no image of {', '.join(empty)}; expected images of all ten digits")
    return sets


def read_digits(path: Path, channels: int, labelled: bool = True) -> Digits:
    """Reads one set of digits.

    Args:
        path: X.npz with x uint8[N,H,W] or [N,H,W,3] and y [N]; X.mat as SVHN's "cropped digits"; or a
            folder with the folders 0 to 9 of images. Without labels: no y, or a folder of images.
        channels: 1 or 3, which images are brought to.
        labelled: whether labels are needed.

    Raises:
        DataError: it is missing, damaged or cut off, labels are not 0-9, or images have another shape.
    """
    if other := what_else(path):
        raise DataError(f"{path}: is {other}, expected a .npz, a .mat, or a folder")
    if path.is_dir():
        images, labels = _from_folder(path, labelled)
    elif path.suffix == ".npz":
        images, labels = _from_npz(path, labelled)
    elif path.suffix == ".mat":
        images, labels = _from_mat(path)
    else:
        what = "no such file or folder" if not path.exists() else "no set of digits"
        raise DataError(f"{path}: {what}; expected a .npz, a .mat, or a folder with the folders 0 to 9")
    if labels is None:
        return Digits(_fit(images, channels), np.full(len(images), UNKNOWN, np.int64))
    return Digits(_fit(images, channels), _checked_labels(path, labels, len(images)))


def _from_npz(path: Path, labelled: bool) -> tuple[NDArray[np.uint8], NDArray[Any] | None]:
    try:
        with zipfile.ZipFile(path) as archive:
            claimed = sum(part.file_size for part in archive.infolist())
        if claimed > _BYTES_AT_MOST:
            raise DataError(f"{path}: unpacks to {claimed} bytes; expected {_BYTES_AT_MOST} at most")
        with np.load(path, allow_pickle=False) as file:
            missing = {"x", "y"} - set(file.files)
            if "x" in missing or (missing and labelled):
                raise DataError(f"{path}: has no array {' and '.join(sorted(missing))}; expected x and y")
            images, labels = file["x"], None if missing else file["y"]
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; expected digits as .npz") from None
    except DataError:
        raise
    except Exception as error:  # numpy and zipfile raise whatever they stumble over, MemoryError too
        raise DataError(f"{path}: damaged or cut off ({one_line(error)}); get the file again") from None
    if not isinstance(images, np.ndarray) or not isinstance(labels, np.ndarray | None):
        raise DataError(f"{path}: x or y is no array of numpy's; get the file again")
    if images.ndim == 4 and images.shape[3] == 1:
        images = images[..., 0]
    sides = images.shape[1:3]
    right = images.ndim == 3 or (images.ndim == 4 and images.shape[3] == 3)
    if images.dtype != np.uint8 or not right or not all(_SIDES[0] <= side <= _SIDES[1] for side in sides):
        raise DataError(
            f"{path}: x is {images.dtype}{list(images.shape)}; expected uint8[N,H,W] or uint8[N,H,W,3], "
            f"sides of {_SIDES[0]} to {_SIDES[1]} pixels"
        )
    return images, labels


def _from_mat(path: Path) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    """The file is converted once, into the cache, and then memory-mapped."""
    try:
        stat = path.stat()
        key = hashlib.sha256(f"{path.resolve()} {stat.st_size} {stat.st_mtime_ns}".encode()).hexdigest()[:16]
        folder = cache_root().parent / "digits" / f"{path.stem}-{key}"
        images, labels = folder / "x.npy", folder / "y.npy"
        if not labels.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            _convert(path, images, labels)  # the labels last: they stand for a whole conversion
        mapped = np.load(images, mmap_mode="r", allow_pickle=False)
        return mapped, np.load(labels, allow_pickle=False)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; expected digits as SVHN's .mat") from None
    except OSError as error:
        raise DataError(f"{path}: can't be read or kept in the cache ({error.strerror or error})") from None


def _convert(path: Path, images: Path, labels: Path) -> None:
    try:
        from scipy.io import loadmat
    except ModuleNotFoundError:
        raise DataError(f'{path}: .mat files need scipy; pip install "unit-edge[digits]"') from None
    try:
        file = loadmat(path)
        x, y = file["X"], file["y"]
    except KeyError as error:
        raise DataError(f"{path}: has no array {error}; expected SVHN's X and y") from None
    except Exception as error:  # scipy raises whatever it stumbles over, OSError without a number too
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DataError(f"{path}: damaged or cut off ({error}); get the file again") from None
    if x.dtype != np.uint8 or x.ndim != 4 or x.shape[:3] != (SIDE, SIDE, 3):
        raise DataError(
            f"{path}: X is {x.dtype}{list(x.shape)}; expected uint8[32,32,3,N]: SVHN's cropped digits"
        )
    y = y.ravel()
    with replacing(images) as temporary:
        mapped = np.lib.format.open_memmap(temporary, "w+", np.uint8, (x.shape[3], SIDE, SIDE, 3))
        for first in range(0, len(mapped), _AT_ONCE):  # a second copy in memory would be 1.6 GB
            mapped[first : first + _AT_ONCE] = x[..., first : first + _AT_ONCE].transpose(3, 0, 1, 2)
        mapped.flush()
    with replacing(labels) as temporary, temporary.open("wb") as out:
        np.save(out, np.where(y == _ZERO_IN_SVHN, 0, y), allow_pickle=False)


def _from_folder(path: Path, labelled: bool) -> tuple[NDArray[np.uint8], NDArray[Any] | None]:
    files = [(file, digit) for digit in range(CLASSES) for file in _pictures(path / str(digit))]
    alone = [] if files or labelled else _pictures(path)
    if not files and not alone:
        raise DataError(f"{path}: no images; expected the folders 0 to 9, with images of that digit each")
    images = [_resized(read_image(ImageItem(file))[:, :, ::-1]) for file in alone or [f for f, _ in files]]
    return np.stack(images), None if alone else np.array([digit for _, digit in files])


def _pictures(folder: Path) -> list[Path]:
    return sorted(file for file in folder.glob("*") if file.suffix.lower() in IMAGE_SUFFIXES)


def _checked_labels(path: Path, labels: NDArray[Any], count: int) -> NDArray[np.int64]:
    if labels.shape != (count,):
        raise DataError(f"{path}: {count} images and labels {list(labels.shape)}; expected a label an image")
    if count == 0:
        raise DataError(f"{path}: no images")
    if labels.dtype.kind not in "iuf" or not np.isin(labels, np.arange(CLASSES)).all():
        wrong = [label for label in np.unique(labels).tolist() if label not in range(CLASSES)]
        raise DataError(f"{path}: labels {', '.join(map(str, wrong[:5]))}; expected whole numbers 0 to 9")
    return labels.astype(np.int64)


def _fit(images: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    """uint8[N,H,W] or [N,H,W,3] → uint8[N,32,32,channels]; what fits already is not copied."""
    if images.ndim == 4 and images.shape[1:] == (SIDE, SIDE, channels):
        return images
    fitted = np.empty((len(images), SIDE, SIDE, channels), np.uint8)
    for index, image in enumerate(images):
        image = _resized(image)
        if image.ndim == 3 and channels == 1:
            image = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
        fitted[index] = image if image.ndim == 3 else image[:, :, None]
    return fitted


def _resized(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Stretched to 32x32 pixels."""
    smaller = image.shape[0] > SIDE and image.shape[1] > SIDE
    way = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return cv2.resize(np.ascontiguousarray(image), (SIDE, SIDE), interpolation=way).astype(
        np.uint8, copy=False
    )
