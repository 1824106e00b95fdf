"""Made digits, and settings that train on them within a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from unit_edge.config import LogConfig, OptimConfig
from unit_edge.config.adapt import (
    AdaptConfig,
    AdaptLossConfig,
    AugmentConfig,
    DigitNetworkConfig,
    DigitsConfig,
)

THIN_TO_THICK = """
[source]
name = "thin"
train = ["thin/train.npz"]
[target]
name = "thick"
train = ["thick/train.npz"]
test = ["thick/test.npz"]
[network]
width = 2
"""
"""The same as a user writes them, but for how long they train."""
TINY = DigitNetworkConfig(width=2, init="kaiming-half")


def written(count: int, side: int, thickness: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Digits in a font, each class equally often: uint8[count,side,side] and their labels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.uint8) % 10
    images = np.zeros((count, side, side), np.uint8)
    for image, label in zip(images, labels, strict=True):
        scale = side / 28 * rng.uniform(0.7, 0.9)
        place = (int(side * rng.uniform(0.2, 0.35)), int(side * rng.uniform(0.75, 0.85)))
        cv2.putText(image, str(label), place, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, thickness, cv2.LINE_AA)
    return images, labels


def save(path: Path, images: Any, labels: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, x=images, y=labels)


def make_data(root: Path) -> None:
    """thin/ and thick/, each with train.npz and test.npz."""
    for name, side, thickness in (("thin", 28, 1), ("thick", 16, 2)):
        for seed, (part, count) in enumerate((("train", 40), ("test", 20))):
            save(root / name / f"{part}.npz", *written(count, side, thickness, seed))


def settings(
    network: DigitNetworkConfig = TINY,
    loss: AdaptLossConfig | None = None,
    optim: OptimConfig | None = None,
    inverted: bool = False,
) -> AdaptConfig:
    return AdaptConfig(
        source=DigitsConfig("thin", ("thin/train.npz",), inverted=inverted),
        target=DigitsConfig("thick", ("thick/train.npz",), ("thick/test.npz",)),
        network=network,
        loss=loss or AdaptLossConfig(translated=1.0, consistency=1.0, confidence=0.1, balance=True),
        augment=AugmentConfig(turn_deg=10, scale=1.2, shear=0.1, shift_px=2),
        optim=optim or OptimConfig(steps=6, batch=4, lr=1e-3, ema=0.9, warmup_steps=2),
        log=LogConfig(print_every=1, sample_every=6, evaluate_every=3, checkpoint_every=3, tensorboard=False),
    )
