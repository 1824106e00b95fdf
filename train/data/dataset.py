"""Training samples of two unpaired domains.

A sample is a function of the seed, the domain and its running number alone: resuming a run, or changing
the number of workers or processes, changes nothing of what is seen.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from unit_edge.config import DataConfig
from unit_edge.errors import ConfigError, DataError
from unit_edge.text.printable import is_named, printable
from unit_edge.train.data.decode import ImageItem, read_image
from unit_edge.train.data.image_cache import ImageCache, can_share
from unit_edge.train.data.sources import domain_images, list_images
from unit_edge.train.guides.guide import Guide

__all__ = [
    "Domain",
    "Pairs",
    "batches",
    "domain_images",
    "list_images",
    "random_crop",
    "to_floats",
    "to_image",
    "to_tensor",
    "whole",
]


class Domain(Dataset[Tensor]):
    """Random crops of one domain's images.

    Item n is float[3,H,W], RGB in [-1, 1]; with a guide float[6,H,W], the same crop of the image and of the
    guide's rendering of it. Images are taken in a new random order every epoch. An
    image that can't be read, or is smaller than the crop, is named on stderr and replaced by the next.
    """

    def __init__(
        self,
        name: str,
        images: Sequence[ImageItem],
        config: DataConfig,
        seed: int,
        guide: Guide | None = None,
    ) -> None:
        """Stores what a sample is made of.

        Args:
            name: of the domain, for messages.
            images: of which samples are cut.
            config: how they are cut.
            seed: of the order of images, and of each sample's random numbers.
            guide: renders samples as the other domain; None without one.
        """
        self.name = name
        self.guide = guide
        self.images = list(images)
        self.config = config
        self.seed = seed
        self.skipped: dict[ImageItem, str] = {}
        self.cache = ImageCache(config.limit_ram_mib << 20)
        self.others = 0  # images of the other domain, for which the cache has room too
        self._newest: tuple[ImageItem, NDArray[np.uint8]] | None = None
        self._epoch = -1
        self._order: NDArray[np.int64] = np.zeros(0, np.int64)

    def __getitem__(self, number: int) -> Tensor:
        return to_floats(self.pixels(number)[None])[0]

    def pixels(self, number: int) -> Tensor:
        """Item n as it is cut: uint8[H,W,3], BGR, with a guide [H,W,6]."""
        epoch, place = divmod(number, len(self.images))
        if epoch != self._epoch:
            self._order = np.random.default_rng([self.seed, epoch]).permutation(len(self.images))
            self._epoch = epoch
        key = self.seed, epoch, place
        rng = np.random.default_rng(key)
        for offset in range(len(self.images)):
            index = int(self._order[(place + offset) % len(self.images)])
            item = self.images[index]
            image = self._read(item, index)
            if image is None:
                continue
            window = draw_window(image, self.config, rng)
            if self.guide is None:
                return torch.from_numpy(window.cut(image))
            rendering = self.guide(image, self._known(item, image), np.random.default_rng([*key, 1]))
            return torch.from_numpy(
                np.concatenate([window.cut(picture) for picture in (image, rendering)], 2)
            )
        raise DataError(
            f"domain {self.name}: none of its {len(self.images)} images is usable; "
            f"the first: {self.skipped[self.images[0]]}"
        )

    def _read(self, item: ImageItem, index: int) -> NDArray[np.uint8] | None:
        if item in self.skipped:
            return None
        image = self.cache.get(item)
        if image is not None:
            return image
        try:
            image = read_image(item)
        except DataError as error:
            self._skip(item, str(error))
            return None
        width, height = self.config.crop
        if image.shape[1] < width or image.shape[0] < height:
            size = f"{image.shape[1]}x{image.shape[0]}"
            self._skip(item, f"{item} is {size}, smaller than the crop of {width}x{height} (data.crop)")
            return None
        small = shrink(image, self.config)
        self.cache.put(item, small)
        if self.guide is not None:
            self._keep_known(item, index, small, self.guide.classes(image))
        return small

    def _keep_known(
        self, item: ImageItem, index: int, image: NDArray[np.uint8], classes: NDArray[np.uint8]
    ) -> None:
        """Keeps what a guide prepares of an image, or its classes if that leaves others too little room."""
        assert self.guide is not None
        known = self.guide.prepare(image, classes)
        self._newest = item, known
        needed = (len(self.images) + self.others) * image.nbytes + len(self.images) * classes.nbytes
        if known is classes or needed + (index + 1) * known.nbytes <= self.cache.limit_bytes:
            self.cache.put((item, "known"), known)
        else:
            self.cache.put((item, "classes"), classes)

    def _known(self, item: ImageItem, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """All that renderings of an image have in common, see `Guide.known`; it was read, and can be."""
        assert self.guide is not None
        if self._newest is not None and self._newest[0] == item:
            return self._newest[1]
        known = self.cache.get((item, "known"))
        if known is None:
            classes = self.cache.get((item, "classes"))
            known = self.guide.prepare(
                image, self.guide.classes(read_image(item)) if classes is None else classes
            )
        return known

    def _skip(self, item: ImageItem, why: str) -> None:
        """Remembers an unusable image and says so once, of many only now and then."""
        self.skipped[item] = why
        if not is_named(len(self.skipped)):
            return
        count = f"{len(self.skipped)} of {len(self.images)}"
        print(printable(f"warning: {why}; skipped ({count} images of {self.name})"), file=sys.stderr)


class Pairs(Dataset[tuple[Tensor, Tensor]]):
    """Sample n of both domains, as `Domain.pixels` gives it; they share their memory for decoded images."""

    def __init__(self, domain1: Domain, domain2: Domain, first: int, count: int) -> None:
        self.domains = domain1, domain2
        self.first = first
        self.count = count
        domain2.cache = domain1.cache
        domain1.others, domain2.others = len(domain2.images), len(domain1.images)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        domain1, domain2 = self.domains
        return domain1.pixels(self.first + number), domain2.pixels(self.first + number)


def batches(
    pairs: Pairs,
    batch: int,
    workers: int,
    part: int = 0,
    parts: int = 1,
    device: torch.device | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of both domains in the order of their numbers, whatever the number of workers.

    Args:
        pairs: the samples.
        batch: samples of a batch, over all parts.
        workers: processes that load them, 0 for none beside this one.
        part: which of `parts` equal, contiguous shares of every batch to give.
        parts: the processes that train together, on one machine: data.limit_ram_mib is for all of them.
        device: where the batches are made of bytes; None for the CPU.

    Yields:
        float[batch // parts,3,H,W] of domain 1 (with a guide 6 channels, see `Domain`) and of domain 2.

    Raises:
        ConfigError: the batch can't be shared equally.
    """
    if batch % parts:
        raise ConfigError(f"optim.batch = {batch}, expected a multiple of the {parts} processes that train")
    share = batch // parts
    starts = range(part * share, len(pairs), batch)
    numbers = [range(start, min(start + share, len(pairs))) for start in starts]
    cache = pairs.domains[0].cache
    limit = (pairs.domains[0].config.limit_ram_mib << 20) // parts
    if workers and can_share():
        images = [item for domain in pairs.domains for item in domain.images]
        cache.share(limit, [*images, *((item, what) for item in images for what in ("classes", "known"))])
    elif workers or limit != cache.limit_bytes:
        cache.clear(limit // max(1, workers))  # each worker begins with a copy of this process's memory
    loader = DataLoader(
        pairs,
        batch_sampler=numbers,  # type: ignore[arg-type]
        num_workers=workers,
        pin_memory=torch.cuda.is_available(),
        # of its own: the loader would draw from the generator that the latent noise comes from
        generator=torch.Generator(),
    )
    return ((to_floats(x1, device), to_floats(x2, device)) for x1, x2 in loader)


@dataclass(frozen=True)
class Window:
    """What of an image a sample shows."""

    scaled: tuple[int, int]
    """Width and height that the image is scaled to first."""
    left: int
    top: int
    width: int
    height: int
    mirrored: bool

    def cut(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """uint8[H,W,3] → uint8[height,width,3], contiguous."""
        if self.scaled != (image.shape[1], image.shape[0]):
            smaller = self.scaled[0] <= image.shape[1] and self.scaled[1] <= image.shape[0]
            interpolation = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
            image = np.asarray(cv2.resize(image, self.scaled, interpolation=interpolation), np.uint8)
        crop = image[self.top : self.top + self.height, self.left : self.left + self.width]
        return np.asarray(cv2.flip(crop, 1), np.uint8) if self.mirrored else np.ascontiguousarray(crop)


def random_crop(image: NDArray[np.uint8], config: DataConfig, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Scales, crops and flips at random: uint8[H,W,3] → uint8[crop height, crop width, 3]."""
    return draw_window(image, config, rng).cut(image)


def draw_window(image: NDArray[np.uint8], config: DataConfig, rng: np.random.Generator) -> Window:
    """A random scale, place and flip.

    An image whose scaled sides are below the crop's is enlarged until they aren't.

    Args:
        image: uint8[H,W,3].
        config: the ranges.
        rng: where the randomness comes from.
    """
    width, height = config.crop
    side = rng.uniform(config.short_side[0], config.short_side[1])
    stretch = config.stretch ** rng.uniform(-0.5, 0.5)
    new_width, new_height = _scaled_size(image, config, side, stretch)
    left = rng.integers(0, new_width - width + 1)
    top = rng.integers(0, new_height - height + 1)
    mirrored = bool(rng.random() < 0.5 and config.flip)
    return Window(
        scaled=(new_width, new_height),
        left=int(left),
        top=int(top),
        width=width,
        height=height,
        mirrored=mirrored,
    )


def whole(image: NDArray[np.uint8], short_side: int) -> NDArray[np.uint8]:
    """A whole image scaled to a short side, both sides rounded to multiples of 4."""
    scale = short_side / min(image.shape[:2])
    height, width = (max(4, round(side * scale / 4) * 4) for side in image.shape[:2])
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def to_tensor(image: NDArray[np.uint8]) -> Tensor:
    """uint8[H,W,3], BGR → float[3,H,W], RGB in [-1, 1]."""
    return to_floats(torch.from_numpy(np.ascontiguousarray(image))[None])[0]


def to_floats(images: Tensor, device: torch.device | None = None) -> Tensor:
    """uint8[N,H,W,3 k], k images BGR → float[N,3 k,H,W], each RGB in [-1, 1], on a device.

    They cross to it as bytes, a quarter of what floats take.
    """
    if device is not None:
        images = images.to(device, non_blocking=True)
    count, height, width, channels = images.shape
    planes = images.permute(0, 3, 1, 2).reshape(count, channels // 3, 3, height, width).flip(2)
    return planes.reshape(count, channels, height, width).contiguous().float().div_(127.5).sub_(1.0)


def to_image(x: Tensor) -> NDArray[np.uint8]:
    """float[3,H,W], RGB in [-1, 1] → uint8[H,W,3], BGR."""
    array = ((x.detach().float().cpu() + 1) * 127.5).round().clamp(0, 255).byte().numpy()
    return np.ascontiguousarray(array[::-1].transpose(1, 2, 0))


def shrink(image: NDArray[np.uint8], config: DataConfig) -> NDArray[np.uint8]:
    """An image, uint8[H,W,3], no larger than the largest sample needs, in the same shape but for rounding."""
    height, width = image.shape[:2]
    extremes = (config.stretch**0.5, config.stretch**-0.5)
    sizes = [_scaled_size(image, config, config.short_side[1], stretch) for stretch in extremes]
    scale = max(max(size[0] / width, size[1] / height) for size in sizes)
    if scale >= 1:
        return image
    size = math.ceil(width * scale), math.ceil(height * scale)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _scaled_size(
    image: NDArray[np.uint8], config: DataConfig, side: float, stretch: float
) -> tuple[int, int]:
    """Width and height for a short side and a change of the aspect ratio; never below the crop's."""
    height, width = image.shape[:2]
    scale = side / min(height, width)
    new_width, new_height = width * scale * stretch, height * scale / stretch
    enlarge = max(1.0, config.crop[0] / new_width, config.crop[1] / new_height)
    return (
        max(config.crop[0], round(new_width * enlarge)),
        max(config.crop[1], round(new_height * enlarge)),
    )
