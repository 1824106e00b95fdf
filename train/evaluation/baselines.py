"""Ways to translate that learn nothing but colours: what a trained network has to beat."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from unit_edge.train.evaluation.metrics import Image, Translate
from unit_edge.train.guides.guide import Guide


def histogram_match(targets: Sequence[Image]) -> Translate:
    """Gives each channel of an image the histogram that the targets have together.

    Args:
        targets: uint8[H,W,3], BGR, one or more, of any sizes; each counts alike.
    """
    shares = np.mean([_histograms(image) for image in targets], axis=0).cumsum(1)

    def translate(image: Image) -> Image:
        own = _histograms(image).cumsum(1)
        levels = np.arange(256)
        tables = [np.interp(own[channel], shares[channel], levels) for channel in range(3)]
        table = np.stack(tables, -1).round().clip(0, 255).astype(np.uint8)
        return np.asarray(cv2.LUT(image, table[None]), np.uint8)

    return translate


def colour_transfer(targets: Sequence[Image]) -> Translate:
    """Gives an image the targets' mean and deviation of L*, a* and b* (Reinhard et al. 2001, in CIELAB)."""
    lab = [_lab(image).reshape(-1, 3) for image in targets]
    mean = np.mean([pixels.mean(0) for pixels in lab], axis=0)
    deviation = np.sqrt(np.mean([((pixels - mean) ** 2).mean(0) for pixels in lab], axis=0))

    def translate(image: Image) -> Image:
        own = _lab(image)
        pixels = own.reshape(-1, 3)
        moved = (own - pixels.mean(0)) / np.maximum(pixels.std(0), 1e-3) * deviation + mean
        levels = cv2.cvtColor(moved.astype(np.float32), cv2.COLOR_LAB2BGR) * 255
        return np.asarray(levels.round().clip(0, 255), np.uint8)

    return translate


def guide_itself(guide: Guide, seed: int) -> Translate:
    """What a guide makes of an image, drawn with one seed for all."""

    def translate(image: Image) -> Image:
        return guide(image, guide.known(image), np.random.default_rng(seed))

    return translate


def _histograms(image: Image) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Share of the pixels at each level, float[3,256]."""
    counts = [np.bincount(image[..., channel].ravel(), minlength=256) for channel in range(3)]
    return np.asarray(counts, np.float64) / image[..., 0].size


def _lab(image: Image) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_BGR2LAB)
    return np.asarray(lab, np.float32)
