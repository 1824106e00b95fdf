"""Batches of digits. A step's batch is a function of the seed and the step alone."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from unit_edge.config.adapt import SIDE, AdaptConfig, AugmentConfig, DigitsConfig
from unit_edge.train.adapt.digits import Digits
from unit_edge.train.adapt.step import DigitBatch
from unit_edge.train.draw import mix

AUGMENTATION = 2
"""Beside what train/adapt/step.py draws random numbers for; domain 1 takes the next number."""


class DigitDomain:
    """The training images of one domain in a new random order every epoch."""

    def __init__(self, config: DigitsConfig, sets: list[Digits], seed: int) -> None:
        self.sets, self.seed, self.inverted = sets, seed, config.inverted
        self._ends = np.cumsum([len(part) for part in sets])
        self._epoch, self._order = -1, np.zeros(0, np.int64)

    def __len__(self) -> int:
        return int(self._ends[-1]) * (2 if self.inverted else 1)

    def take(self, first: int, count: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Samples number `first` to `first + count`: uint8[count,32,32,C] and their labels."""
        picked = [self._one(number) for number in range(first, first + count)]
        return np.stack([image for image, _ in picked]), np.array([label for _, label in picked])

    def _one(self, number: int) -> tuple[NDArray[np.uint8], int]:
        epoch, place = divmod(number, len(self))
        if epoch != self._epoch:
            self._order = np.random.default_rng([self.seed, epoch]).permutation(len(self))
            self._epoch = epoch
        upside, index = divmod(int(self._order[place]), int(self._ends[-1]))
        which = int(np.searchsorted(self._ends, index, side="right"))
        part = self.sets[which]
        index -= int(self._ends[which]) - len(part)
        image = part.images[index]
        return 255 - image if upside else image, int(part.labels[index])


class DigitBatches:
    """Batches of both domains, each a function of the seed and the step alone."""

    def __init__(self, config: AdaptConfig, sets: list[list[Digits]], device: torch.device) -> None:
        self.config, self.device = config, device
        pairs = zip(config.domains, sets, strict=True)
        self.domains = [DigitDomain(d, s, config.optim.seed + i) for i, (d, s) in enumerate(pairs)]

    def __getitem__(self, step: int) -> DigitBatch:
        """The batch of a step. The target's labels are left out."""
        count, seed = self.config.optim.batch, self.config.optim.seed
        (images1, labels), (images2, _) = (domain.take(step * count, count) for domain in self.domains)
        x1, x2 = (to_tensors(images).to(self.device) for images in (images1, images2))
        changed = [
            augment(x, self.config.augment, mix(seed, step, AUGMENTATION + index), zoom=domain.zoom)
            for index, (x, domain) in enumerate(zip((x1, x2), self.config.domains, strict=True))
        ]
        return DigitBatch(
            source=changed[0],
            labels=torch.from_numpy(labels).to(self.device),
            target=changed[1],
            unchanged=x2,
        )


def to_tensors(images: NDArray[np.uint8]) -> Tensor:
    """uint8[N,32,32,C] → float[N,C,32,32] in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))).float() / 127.5 - 1


def augment(x: Tensor, config: AugmentConfig, seed: int, *, zoom: float = 1.0) -> Tensor:
    """Turns, scales, shears, moves, bends and blurs every image at random.

    What comes in from outside is black in grey images, and the nearest pixel of the edge in colour ones.

    Args:
        x: float[N,C,32,32] in [-1, 1].
        config: by how much.
        seed: of the random numbers.
        zoom: how many times as large all of them are beside that.
    """
    if not config.changes and zoom == 1:
        return x
    generator = torch.Generator().manual_seed(seed)
    u = torch.rand(7, len(x), generator=generator) * 2 - 1
    angle = u[0] * math.radians(config.turn_deg)
    cos, sin, shear = angle.cos(), angle.sin(), config.shear * u[2]
    shrunk, stretched = config.scale ** u[1] / zoom, config.aspect ** (u[5] / 2)
    across, down = shrunk * stretched, shrunk / stretched
    shift = u[3:5] * (2 * config.shift_px / SIDE)
    rows = [
        torch.stack([across * cos, across * (shear * cos - sin), shift[0]], 1),
        torch.stack([down * sin, down * (shear * sin + cos), shift[1]], 1),
    ]
    grid = F.affine_grid(torch.stack(rows, 1), list(x.shape), align_corners=False)
    if config.elastic_px:
        points = torch.rand(len(x), 2, SIDE // 8 + 1, SIDE // 8 + 1, generator=generator) * 2 - 1
        moves = F.interpolate(points, (SIDE, SIDE), mode="bicubic", align_corners=True)
        grid = grid + moves.permute(0, 2, 3, 1) * (2 * config.elastic_px / SIDE)
    grid = grid.to(x.device)
    if x.shape[1] == 1:
        changed = F.grid_sample(x + 1, grid, padding_mode="zeros", align_corners=False) - 1
    else:
        changed = F.grid_sample(x, grid, padding_mode="border", align_corners=False)
    if not config.blur:
        return changed
    coarse = F.interpolate(F.avg_pool2d(changed, 2), scale_factor=2, mode="bilinear")
    return torch.lerp(changed, coarse, (config.blur * u[6].abs()).to(x.device)[:, None, None, None])
