"""What a training run looks like: held-out images, their reconstructions, translations and cycles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unit_edge.train.data import to_image, to_tensor, whole
from unit_edge.train.networks import DOMAINS, UNIT

COUNT = 4
"""Images of each domain in a grid."""


def pick(images: Sequence[NDArray[np.uint8]], short_side: int) -> list[Tensor]:
    """A few images spread over a list, as network inputs float[1,3,H,W]."""
    places = np.linspace(0, len(images) - 1, min(COUNT, len(images))).round().astype(int)
    return [to_tensor(whole(images[place], short_side))[None] for place in places]


@torch.inference_mode()
def write_grid(path: Path, unit: UNIT, samples: Sequence[Sequence[Tensor]]) -> None:
    """Writes a PNG with one row an image: x, G(E(x)), its translation, its cycle. Codes are means.

    Args:
        path: of the PNG.
        unit: the networks.
        samples: images of X1 and of X2, each float[1,3,H,W].
    """
    rows = []
    for domain in DOMAINS:
        other = 1 - domain
        for x in samples[domain]:
            z = unit.encoder(domain)(x)
            translated = unit.decode(z, other)
            cycled = unit.decode(unit.encoder(other)(translated), domain)
            rows.append(np.hstack([to_image(y[0]) for y in (x, unit.decode(z, domain), translated, cycled)]))
    width = max(row.shape[1] for row in rows)
    grid = np.vstack([np.pad(row, ((0, 2), (0, width - row.shape[1]), (0, 0))) for row in rows])
    temporary = path.with_name(f".{path.stem}.tmp.png")
    if cv2.imwrite(str(temporary), grid):
        temporary.replace(path)
