"""How well an adapted classifier does, with labels and without."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from unit_edge.config.adapt import CLASSES, AdaptConfig
from unit_edge.train.adapt.digit_batches import to_tensors
from unit_edge.train.adapt.digits import Digits
from unit_edge.train.adapt.networks import Adaptation

BATCH = 256
"""Images that are classified at once."""
UNLABELLED = 1000
"""At most so many training images of the target are looked at while a run goes on."""


@dataclass(frozen=True)
class Accuracy:
    """A classifier on a labelled set.

    Attributes:
        confusion: int64[10,10]: how many images of a class (row) were taken for another (column).
    """

    confusion: NDArray[np.int64]

    @property
    def images(self) -> int:
        """How many were classified."""
        return int(self.confusion.sum())

    @property
    def share(self) -> float:
        """The share of them that was classified rightly, 0 to 1."""
        return float(np.trace(self.confusion) / self.confusion.sum())

    def by_class(self) -> list[float | None]:
        """The same of each digit's images; None where there are none."""
        totals = self.confusion.sum(1)
        return [
            float(right / total) if total else None
            for right, total in zip(self.confusion.diagonal(), totals, strict=True)
        ]


def confusion(labels: NDArray[np.int64], predicted: NDArray[np.int64]) -> Accuracy:
    """Counts what was taken for what."""
    counts = np.bincount(labels * CLASSES + predicted, minlength=CLASSES**2)
    return Accuracy(counts.reshape(CLASSES, CLASSES))


def accuracy(nets: Adaptation, config: AdaptConfig, digits: list[Digits]) -> Accuracy:
    """The adapted classifier's, D2's, or D1's of a run that does not look at the target."""
    domain = classifier_domain(config)
    predicted = [probabilities(nets, part.images, domain).argmax(1) for part in digits]
    return confusion(np.concatenate([part.labels for part in digits]), np.concatenate(predicted))


def classifier_domain(config: AdaptConfig) -> int:
    """Index of the discriminator that classifies the target."""
    return 1 if config.loss.adapts else 0


@torch.inference_mode()
def probabilities(nets: Adaptation, images: NDArray[np.uint8], domain: int) -> NDArray[np.float32]:
    """uint8[N,32,32,C] → the classes' probabilities, float32[N,10]; `nets` must be in evaluation mode."""
    device = next(nets.parameters()).device
    parts = [
        torch.softmax(
            nets.discriminator.classify(to_tensors(images[first : first + BATCH]).to(device), domain), 1
        )
        for first in range(0, len(images), BATCH)
    ]
    return torch.cat(parts).cpu().numpy().astype(np.float32)


@torch.inference_mode()
def without_labels(nets: Adaptation, images: NDArray[np.uint8]) -> dict[str, float]:
    """What can be said of the classifier by images of the target alone.

    Args:
        nets: in evaluation mode.
        images: uint8[N,32,32,C].

    Returns:
        confidence: the mean probability of the class it decides for.
        agreement: the share of images that D1 takes, translated to the source, for what D2 takes them for.
        rarest: of the classes it decides for, the share of the rarest: 0 if one is never chosen.
    """
    device = next(nets.parameters()).device
    sure, own, back = [], [], []
    for first in range(0, len(images), BATCH):
        x = to_tensors(images[first : first + BATCH]).to(device)
        probability, label = torch.softmax(nets.discriminator.classify(x, 1), 1).max(1)
        sure.append(probability)
        own.append(label)
        back.append(nets.discriminator.classify(nets.unit.translate(x, 1), 0).argmax(1))
    chosen = torch.cat(own)
    return {
        "confidence": float(torch.cat(sure).mean()),
        "agreement": float((chosen == torch.cat(back)).float().mean()),
        "rarest": float(torch.bincount(chosen, minlength=CLASSES).min() / len(chosen)),
    }
