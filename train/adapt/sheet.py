"""Pictures of an adaptation: digits, their translations, and what the classifiers take them for."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unit_edge.config.adapt import SIDE
from unit_edge.train.adapt.digit_batches import to_tensors
from unit_edge.train.adapt.networks import Adaptation
from unit_edge.train.networks import DOMAINS

COLUMNS = 12
"""Digits beside each other on a contact sheet."""
_SCALE = 2
_TEXT = 18


@torch.inference_mode()
def digit_grid(nets: Adaptation, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Rows for X1, then for X2: images, G(E(x)) and their translations.

    Args:
        nets: in evaluation mode.
        images: of X1 and of X2, uint8[N,32,32,C].

    Returns:
        uint8[H,W,3], BGR.
    """
    device = next(nets.parameters()).device
    rows = []
    for domain in DOMAINS:
        x = to_tensors(images[domain]).to(device)
        z = nets.unit.encoder_shared(nets.unit.encoders[domain](nets.unit.placed(x)))
        pair = nets.unit.decode(z)
        rows += [np.hstack(to_pictures(y)) for y in (x, pair[domain], pair[1 - domain])]
    return np.vstack(rows)


@torch.inference_mode()
def digit_sheet(
    nets: Adaptation, images: Sequence[NDArray[np.uint8]], names: Sequence[str], adapted: bool
) -> NDArray[np.uint8]:
    """A contact sheet: digits, their translations, and below each what its domain's classifier says.

    Args:
        nets: in evaluation mode.
        images: of X1 and of X2, uint8[N,32,32,C].
        names: of the domains.
        adapted: whether there are translations to show.

    Returns:
        uint8[H,W,3], BGR.
    """
    device = next(nets.parameters()).device
    blocks = []
    for domain in DOMAINS:
        x = to_tensors(images[domain]).to(device)
        which = domain if adapted else 0
        shown = [(names[domain], x, nets.discriminator.classify(x, which).argmax(1))]
        if adapted:
            y = nets.unit.translate(x, domain)
            shown.append((f"as {names[1 - domain]}", y, nets.discriminator.classify(y, 1 - domain).argmax(1)))
        block = np.vstack([_row(pictures, classes, name) for name, pictures, classes in shown])
        blocks.append(np.pad(block, ((0, _TEXT // 2), (0, 0), (0, 0))))
    return np.vstack(blocks)


def to_pictures(x: Tensor) -> list[NDArray[np.uint8]]:
    """float[N,C,32,32], grey or RGB in [-1, 1] → N images uint8[32,32,3], BGR."""
    levels = ((x.float().cpu() + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()
    if levels.shape[3] == 1:
        levels = levels.repeat(3, 3)
    return list(levels[..., ::-1])


def _row(x: Tensor, classes: Tensor, name: str) -> NDArray[np.uint8]:
    cells = []
    for image, digit in zip(to_pictures(x), classes.tolist(), strict=True):
        side = SIDE * _SCALE
        large = cv2.resize(image, (side, side), interpolation=cv2.INTER_NEAREST)
        cell = np.full((side + _TEXT, side + 4, 3), 40, np.uint8)
        cell[:side, 2:-2] = large
        place = (side // 2 - 3, side + _TEXT - 4)
        cv2.putText(cell, str(digit), place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255,) * 3, 1, cv2.LINE_AA)
        cells.append(cell)
    label = np.full((cells[0].shape[0], 90, 3), 40, np.uint8)
    cv2.putText(label, name, (4, SIDE), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (255,) * 3, 1, cv2.LINE_AA)
    return np.hstack([label, *cells])
