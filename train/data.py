"""Two unpaired domains from folders of images.

A sample is a function of the seed, the domain and its running number alone: resuming a run or
changing the number of workers changes nothing of what it sees.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from unit_edge.config import DataConfig, DomainConfig
from unit_edge.errors import DataError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
CACHE_MIB = 2048


def list_images(folder: Path) -> list[Path]:
    """All images of a folder and its subfolders, sorted by name.

    Raises:
        DataError: the folder is missing or has no images.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; expected a folder of images")
    images = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not images:
        raise DataError(f"{folder}: no images in it; expected {', '.join(sorted(SUFFIXES))} files")
    return images


def split(folders: Sequence[Path], validation: float) -> tuple[list[Path], list[Path]]:
    """Images for training and for validation: of each folder the last by name are held out."""
    training, held_out = [], []
    for folder in folders:
        images = list_images(folder)
        cut = len(images) - int(len(images) * validation)
        training += images[:cut]
        held_out += images[cut:]
    return training, held_out


class Domain(Dataset[Tensor]):
    """Random crops of one domain's images.

    Item n is float[3,H,W], RGB in [-1, 1]. Images are taken in a new random order every epoch. An
    image that can't be read, or is smaller than the crop, is named on stderr and replaced by the next.
    """

    def __init__(self, name: str, images: Sequence[Path], config: DataConfig, seed: int) -> None:
        self.name = name
        self.images = list(images)
        self.config = config
        self.seed = seed
        self.skipped: dict[Path, str] = {}
        self._cache: dict[Path, NDArray[np.uint8]] = {}
        self._cached_bytes = 0

    def __getitem__(self, number: int) -> Tensor:
        epoch, place = divmod(number, len(self.images))
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.images))
        rng = np.random.default_rng([self.seed, epoch, place])
        for offset in range(len(self.images)):
            image = self._read(self.images[order[(place + offset) % len(self.images)]])
            if image is not None:
                return to_tensor(random_crop(image, self.config, rng))
        raise DataError(
            f"domain {self.name}: none of its {len(self.images)} images is usable; "
            f"the first: {self.skipped[self.images[0]]}"
        )

    def _read(self, path: Path) -> NDArray[np.uint8] | None:
        if path in self.skipped:
            return None
        if path not in self._cache:
            image = cv2.imread(str(path), cv2.IMREAD_COLOR)
            width, height = self.config.crop
            if image is None:
                self._skip(path, "can't be read as an image")
                return None
            if image.shape[1] < width or image.shape[0] < height:
                size = f"{image.shape[1]}x{image.shape[0]}"
                self._skip(path, f"is {size}, smaller than the crop of {width}x{height} (data.crop)")
                return None
            image = _shrink(image.astype(np.uint8, copy=False), self.config)
            if self._cached_bytes + image.nbytes > CACHE_MIB << 20:
                return image
            self._cache[path] = image
            self._cached_bytes += image.nbytes
        return self._cache[path]

    def _skip(self, path: Path, why: str) -> None:
        """Remembers an unusable image and says so once."""
        self.skipped[path] = f"{path} {why}"
        count = f"{len(self.skipped)} of {len(self.images)}"
        print(f"warning: {path} {why}; skipped ({count} images of {self.name})", file=sys.stderr)


class Pairs(Dataset[tuple[Tensor, Tensor]]):
    """Sample n of both domains."""

    def __init__(self, domain1: Domain, domain2: Domain, first: int, count: int) -> None:
        self.domains = domain1, domain2
        self.first = first
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        domain1, domain2 = self.domains
        return domain1[self.first + number], domain2[self.first + number]


def batches(pairs: Pairs, batch: int, workers: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of both domains in the order of their numbers, whatever the number of workers."""
    loader = DataLoader(
        pairs,
        batch_size=batch,
        num_workers=workers,
        pin_memory=torch.cuda.is_available(),
        # of its own: the loader would draw from the generator that the latent noise comes from
        generator=torch.Generator(),
    )
    return iter(loader)


def domain_images(domain: DomainConfig, root: Path, validation: float) -> tuple[list[Path], list[Path]]:
    """A domain's images for training and validation, its paths taken from the data root."""
    return split([root / path for path in domain.paths], validation)


def random_crop(image: NDArray[np.uint8], config: DataConfig, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Scales, crops and flips at random.

    Args:
        image: uint8[H,W,3].
        config: the ranges.
        rng: where the randomness comes from.

    Returns:
        uint8[crop height, crop width, 3].
    """
    width, height = config.crop
    side = rng.uniform(config.short_side[0], config.short_side[1])
    stretch = config.stretch ** rng.uniform(-0.5, 0.5)
    scale = side / min(image.shape[:2])
    new_width = max(width, round(image.shape[1] * scale * stretch))
    new_height = max(height, round(image.shape[0] * scale / stretch))
    scaled = cv2.resize(image, (new_width, new_height), interpolation=cv2.INTER_AREA)
    left = rng.integers(0, new_width - width + 1)
    top = rng.integers(0, new_height - height + 1)
    crop = scaled[top : top + height, left : left + width]
    return np.ascontiguousarray(crop[:, ::-1] if rng.random() < 0.5 else crop).astype(np.uint8, copy=False)


def whole(image: NDArray[np.uint8], short_side: int) -> NDArray[np.uint8]:
    """A whole image scaled to a short side, both sides rounded to multiples of 4."""
    scale = short_side / min(image.shape[:2])
    height, width = (max(4, round(side * scale / 4) * 4) for side in image.shape[:2])
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def to_tensor(image: NDArray[np.uint8]) -> Tensor:
    """uint8[H,W,3], BGR → float[3,H,W], RGB in [-1, 1]."""
    rgb = np.ascontiguousarray(image[:, :, ::-1].transpose(2, 0, 1))
    return torch.from_numpy(rgb).float().div_(127.5).sub_(1.0)


def to_image(x: Tensor) -> NDArray[np.uint8]:
    """float[3,H,W], RGB in [-1, 1] → uint8[H,W,3], BGR."""
    array = ((x.detach().float().cpu() + 1) * 127.5).round().clamp(0, 255).byte().numpy()
    return np.ascontiguousarray(array[::-1].transpose(1, 2, 0))


def _shrink(image: NDArray[np.uint8], config: DataConfig) -> NDArray[np.uint8]:
    """Keeps no more pixels in memory than the largest sample can use."""
    side = config.short_side[1] * config.stretch**0.5
    scale = side / min(image.shape[:2])
    if scale >= 1:
        return image
    size = round(image.shape[1] * scale), round(image.shape[0] * scale)
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
