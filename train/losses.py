"""The terms of equations 3-8, each a pure function of tensors.

Every term is a mean over all elements, so that the weights do not depend on the image size: the
paper's sums over pixels and code elements are these times a constant.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


def kl(mean: Tensor) -> Tensor:
    """KL(N(mean, I) || N(0, I)) an element: half the mean square (equations 3 and 5)."""
    return 0.5 * mean.square().mean()


def reconstruction(x: Tensor, x_hat: Tensor) -> Tensor:
    """-log p(x|z) for a Laplacian p, up to constants: the mean absolute error (equations 3 and 5)."""
    return F.l1_loss(x_hat, x)


def gan_discriminator(real: Sequence[Tensor], fake: Sequence[Tensor], kind: str) -> Tensor:
    """What D minimises: equation 4 negated ("bce") or its least-squares form, summed over the scales.

    Args:
        real: logits of images, one tensor a scale.
        fake: logits of translations, one tensor a scale.
        kind: "bce" or "least_squares".
    """
    return _towards(real, 1.0, kind) + _towards(fake, 0.0, kind)


def gan_generator(fake: Sequence[Tensor], kind: str) -> Tensor:
    """What E and G minimise of equation 4, in its non-saturating form, summed over the scales."""
    return _towards(fake, 1.0, kind)


def hinge_discriminator(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """Hinge loss of the feature critic, a mean over its levels."""
    terms = [F.relu(1 - r).mean() + F.relu(1 + f).mean() for r, f in zip(real, fake, strict=True)]
    return torch.stack(terms).mean()


def hinge_generator(fake: Sequence[Tensor]) -> Tensor:
    """What E and G minimise against the feature critic, a mean over its levels."""
    return -torch.stack([logits.mean() for logits in fake]).mean()


def _towards(logits: Sequence[Tensor], target: float, kind: str) -> Tensor:
    loss = F.binary_cross_entropy_with_logits if kind == "bce" else F.mse_loss
    return torch.stack([loss(scale, torch.full_like(scale, target)) for scale in logits]).sum()
