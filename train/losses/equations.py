"""The terms of equations 3-8, each a pure function of tensors.

Every term is a mean over all elements, so that the weights do not depend on the image size: the
paper's sums over pixels and code elements are these times a constant.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


def kl(mean: Tensor) -> Tensor:
    """KL(N(mean, I) || N(0, I)) an element: half the mean square (equations 3 and 5)."""
    return 0.5 * _full(mean).square().mean()


def reconstruction(x: Tensor, x_hat: Tensor) -> Tensor:
    """-log p(x|z) for a Laplacian p, up to constants: the mean absolute error (equations 3 and 5)."""
    return F.l1_loss(_full(x_hat), x)


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
    """Hinge loss of a feature discriminator, a mean over its levels."""
    terms = [
        F.relu(1 - _full(r)).mean() + F.relu(1 + _full(f)).mean() for r, f in zip(real, fake, strict=True)
    ]
    return torch.stack(terms).mean()


def hinge_generator(fake: Sequence[Tensor]) -> Tensor:
    """What E and G minimise against a feature discriminator, a mean over its levels."""
    return -torch.stack([_full(logits).mean() for logits in fake]).mean()


def r1(discriminator: Callable[[Tensor], Sequence[Tensor]], x: Tensor) -> Tensor:
    """Half the squared gradient of D's logits in real images, a mean over images (Mescheder et al. 2018).

    Args:
        discriminator: image → logits, one tensor a scale; their means are added up.
        x: real images, float[N,3,H,W].
    """
    x = x.detach().requires_grad_()
    with torch.autocast(x.device.type, enabled=False):
        score = torch.stack([scale.flatten(1).mean(1).sum() for scale in discriminator(x)]).sum()
        (slope,) = torch.autograd.grad(score, x, create_graph=True)
    return 0.5 * slope.square().flatten(1).sum(1).mean()


def _towards(logits: Sequence[Tensor], target: float, kind: str) -> Tensor:
    loss = F.binary_cross_entropy_with_logits if kind == "bce" else F.mse_loss
    scales = [_full(scale) for scale in logits]
    return torch.stack([loss(scale, torch.full_like(scale, target)) for scale in scales]).sum()


def _full(x: Tensor) -> Tensor:
    """What autocast computed in half precision, in fp32: a mean of many squares needs it."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
