"""The terms of domain adaptation that equations 3-8 don't have, each a pure function of tensors."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def classification(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of logits float[N,10] and classes int64[N], a mean over images."""
    return F.cross_entropy(logits.float(), labels)


def feature_distance(features1: Tensor, features2: Tensor) -> Tensor:
    """L1 between the highest features of the images of a pair, a mean over their elements."""
    return F.l1_loss(features1.float(), features2.float())


def consistency(logits: Tensor, teacher: Tensor, confidence: float) -> Tensor:
    """Cross-entropy with the teacher's classes where it is confident (Sohn et al. 2020, equation 4).

    Args:
        logits: of the changed images, float[N,10].
        teacher: the moving average's probabilities of the unchanged ones, float[N,10].
        confidence: the probability that its class must have; other images count as 0.
    """
    probability, label = teacher.detach().max(1)
    each = F.cross_entropy(logits.float(), label, reduction="none")
    return (each * (probability >= confidence)).mean()


def balanced(probabilities: Tensor, mean: Tensor) -> Tensor:
    """Probabilities float[N,10] over their running mean float[10], made to add up to 1 again."""
    shares = probabilities / mean
    return shares / shares.sum(1, keepdim=True)
