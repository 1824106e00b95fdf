"""How good is a translation: kernel distance to the target domain, and how much of the input it keeps."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from unit_edge.train.data import to_tensor
from unit_edge.train.features import Features

Translate = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


def kernel_distance(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Unbiased squared MMD with the kernel (x·y/d + 1)^3: the Kernel Inception Distance's estimator.

    Args:
        a: float[N,d], features of one set of images, N of 2 or more.
        b: float[M,d], features of the other.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)

    def kernel(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray((x @ y.T / x.shape[1] + 1) ** 3)

    within = sum((kernel(x, x).sum() - np.trace(kernel(x, x))) / (len(x) * (len(x) - 1)) for x in (a, b))
    return float(within - 2 * kernel(a, b).mean())


def features_of(images: Sequence[NDArray[np.uint8]], features: Features) -> NDArray[np.float64]:
    """Images uint8[H,W,3], BGR → float[N,1280]."""
    with torch.inference_mode():
        pooled = [features.pooled(to_tensor(image)[None])[0] for image in images]
    return torch.stack(pooled).double().numpy()


def edges_kept(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> float:
    """Correlation of the gradient magnitudes of two images of one size: 1 if every edge is where it was."""
    magnitudes = []
    for image in (before, after):
        grey = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), (0, 0), 1.0).astype(np.float32)
        dx, dy = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
        magnitudes.append(np.hypot(dx, dy).ravel())
    if min(m.std() for m in magnitudes) == 0:
        return 0.0
    return float(np.corrcoef(np.stack(magnitudes))[0, 1])


def read_images(paths: Sequence[Path]) -> list[NDArray[np.uint8]]:
    """Decodes images as uint8[H,W,3], BGR; those that can't be read are named on stderr and left out."""
    images: list[NDArray[np.uint8]] = []
    skipped = 0
    for path in paths:
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if image is None:
            skipped += 1
            count = f"{skipped} of {len(paths)} images to look at"
            print(f"warning: {path} can't be read as an image; skipped ({count})", file=sys.stderr)
        else:
            images.append(image.astype(np.uint8, copy=False))
    return images


class TranslationScore:
    """Scores translations of the same held-out images again and again.

    The images' own features are computed once.
    """

    def __init__(self, sources: Sequence[NDArray[np.uint8]], targets: Sequence[NDArray[np.uint8]]) -> None:
        self.features = Features("efficientnet-lite0")
        self.sources = sources
        self.target_features = features_of(targets, self.features)
        self.untranslated = kernel_distance(features_of(sources, self.features), self.target_features)

    def __call__(self, translate: Translate) -> dict[str, float]:
        """Kernel distance to the target domain over that of the untranslated images, and edges kept."""
        translated = [translate(image) for image in self.sources]
        distance = kernel_distance(features_of(translated, self.features), self.target_features)
        kept = [edges_kept(a, b) for a, b in zip(self.sources, translated, strict=True)]
        return {
            "kernel_distance": distance,
            "kernel_distance_ratio": distance / self.untranslated,
            "edges_kept": float(np.mean(kept)),
        }
