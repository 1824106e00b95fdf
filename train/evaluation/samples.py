"""What a training run looks like: held-out images, their reconstructions, translations and cycles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unit_edge.errors import CheckpointError
from unit_edge.files.writing import replacing
from unit_edge.media.png import png_bytes
from unit_edge.spread import spread
from unit_edge.train.data.dataset import to_image, to_tensor, whole
from unit_edge.train.networks import DOMAINS, UNIT

COUNT = 4
"""Images of each domain in a grid."""
SHEET_WIDTH = 320
"""Of one picture on a contact sheet, in pixels."""
_TITLE_HEIGHT = 20


def pick(images: Sequence[NDArray[np.uint8]], short_side: int) -> list[Tensor]:
    """A few images spread over a list, as network inputs float[1,3,H,W]."""
    return [to_tensor(whole(image, short_side))[None] for image in spread(images, COUNT)]


@torch.inference_mode()
def grid(unit: UNIT, samples: Sequence[Sequence[Tensor]]) -> NDArray[np.uint8]:
    """All six streams, codes being means: one row an image, x, G(E(x)), its translation, its cycle.

    Without encoders a row is an image of X1 and one of X2 from one code.

    Args:
        unit: the networks.
        samples: images of X1 and of X2, each float[1,3,H,W].

    Returns:
        uint8[H,W,3], BGR.
    """
    rows = []
    if not unit.config.encoders:
        for number, x in enumerate(samples[0]):
            generator = torch.Generator(x.device).manual_seed(number)
            size = (1, unit.config.residual_width, x.shape[2] // 4, x.shape[3] // 4)
            z = torch.randn(size, generator=generator, device=x.device)
            rows.append([unit.decode(z, domain) for domain in DOMAINS])
    for domain in DOMAINS if unit.config.encoders else ():
        other = 1 - domain
        for x in samples[domain]:
            z = unit.encode_one(x, domain)
            translated = unit.decode(z, other)
            cycled = unit.decode(unit.encode_one(translated, other), domain)
            rows.append([x, unit.decode(z, domain), translated, cycled])
    return _stack([np.hstack([to_image(y[0]) for y in row]) for row in rows])


def titled(image: NDArray[np.uint8], titles: Sequence[str]) -> NDArray[np.uint8]:
    """A grid, uint8[H,W,3], below a line with a title for each of its columns of equal width."""
    width = image.shape[1] // len(titles)
    caption = np.zeros((_TITLE_HEIGHT, image.shape[1], 3), np.uint8)
    for column, title in enumerate(titles):
        size = cv2.getTextSize(title, cv2.FONT_HERSHEY_SIMPLEX, 0.45, 1)[0][0]
        scale = 0.45 * min(1.0, (width - 8) / max(1, size))
        place = (column * width + 4, _TITLE_HEIGHT - 6)
        cv2.putText(caption, title, place, cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), 1, cv2.LINE_AA)
    return np.vstack([caption, image])


def titles_of(names: Sequence[str], encoders: bool) -> list[str]:
    """The titles of a grid's columns: rows of the first domain, then of the second."""
    if not encoders:
        return list(names)
    first, second = names
    return [f"{first}, {second}", "reconstruction", f"as {second}, {first}", "and back"]


@torch.inference_mode()
def codes(unit: UNIT, samples: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """The means of the codes of images of X1 and of X2, flat."""
    if not unit.config.encoders:
        return []
    return [torch.cat([unit.encode_one(x, d).flatten() for x in samples[d]]) for d in DOMAINS]


def write_contact_sheet(
    path: Path, pairs: Sequence[Sequence[tuple[NDArray[np.uint8], NDArray[np.uint8]]]], names: Sequence[str]
) -> None:
    """Writes a PNG of inputs and their translations, one row an image, captioned with the domains.

    Args:
        path: of the PNG.
        pairs: for X1 and for X2, input and translation, uint8[H,W,3], BGR.
        names: of the domains.
    """
    blocks = []
    for domain, rows in enumerate(pairs):
        block = _stack([np.hstack([_fit(image) for image in row]) for row in rows])
        caption = np.zeros((24, block.shape[1], 3), np.uint8)
        for column, name in enumerate((names[domain], names[1 - domain])):
            place = (8 + column * block.shape[1] // 2, 17)
            cv2.putText(caption, name, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA)
        blocks.append(np.vstack([caption, block]))
    height = max(block.shape[0] for block in blocks)
    write_png(path, np.hstack([np.pad(b, ((0, height - b.shape[0]), (0, 4), (0, 0))) for b in blocks]))


def write_png(path: Path, image: NDArray[np.uint8]) -> None:
    """Writes a PNG, whole or not at all.

    Raises:
        CheckpointError: it can't be written.
    """
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(png_bytes(image))
    except OSError as error:
        raise CheckpointError(f"{path}: can't be written ({error.strerror or error})") from None


def _fit(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The image at the width of a contact sheet's column."""
    size = SHEET_WIDTH, max(1, round(image.shape[0] * SHEET_WIDTH / image.shape[1]))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _stack(rows: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    width = max(row.shape[1] for row in rows)
    return np.vstack([np.pad(row, ((0, 2), (0, width - row.shape[1]), (0, 0))) for row in rows])
