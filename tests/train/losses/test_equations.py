"""Each term of equations 3-8 against the equation written out in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unit_edge.config import LossConfig, OptimConfig
from unit_edge.train import losses

A, B = np.random.default_rng(0).normal(size=(2, 2, 3, 4, 5))


def sigmoid(x: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-x)))


def test_defaults_are_the_papers() -> None:
    weights, optim = LossConfig(), OptimConfig()
    assert (weights.gan, weights.kl, weights.reconstruction) == (10, 0.1, 100)
    assert (weights.cycle_kl, weights.cycle, weights.gan_loss) == (0.1, 100, "bce")
    assert (optim.lr, optim.betas, optim.batch) == (1e-4, (0.5, 0.999), 1)


def test_kl_is_that_of_two_normals() -> None:
    """KL(N(m, 1) || N(0, 1)) by numerical integration of p log(p/q)."""
    mean = 1.3
    z = np.linspace(-12, 14, 200_001)
    p = np.exp(-0.5 * (z - mean) ** 2) / np.sqrt(2 * np.pi)
    q = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    expected = (p * (np.log(p) - np.log(q))).sum() * (z[1] - z[0])
    assert losses.kl(torch.full((2, 3, 4), mean)).item() == pytest.approx(expected, rel=1e-4)


def test_reconstruction_is_the_mean_absolute_error() -> None:
    given = losses.reconstruction(torch.tensor(A), torch.tensor(B)).item()
    assert given == pytest.approx(np.abs(A - B).mean())


def test_bce_is_equation_4() -> None:
    real, fake = [torch.tensor(A), torch.tensor(B[:1])], [torch.tensor(B), torch.tensor(A[:1])]
    expected = sum(
        -np.log(sigmoid(r.numpy())).mean() - np.log(1 - sigmoid(f.numpy())).mean()
        for r, f in zip(real, fake, strict=True)
    )
    assert losses.gan_discriminator(real, fake, "bce").item() == pytest.approx(expected)
    expected = sum(-np.log(sigmoid(f.numpy())).mean() for f in fake)
    assert losses.gan_generator(fake, "bce").item() == pytest.approx(expected)


def test_least_squares() -> None:
    real, fake = [torch.tensor(A)], [torch.tensor(B)]
    expected = ((A - 1) ** 2).mean() + (B**2).mean()
    assert losses.gan_discriminator(real, fake, "least_squares").item() == pytest.approx(expected)
    assert losses.gan_generator(fake, "least_squares").item() == pytest.approx(((B - 1) ** 2).mean())


def test_hinge() -> None:
    real, fake = [torch.tensor(A), torch.tensor(B)], [torch.tensor(B), torch.tensor(A)]
    expected = np.mean(
        [
            np.maximum(0, 1 - A).mean() + np.maximum(0, 1 + B).mean(),
            np.maximum(0, 1 - B).mean() + np.maximum(0, 1 + A).mean(),
        ]
    )
    assert losses.hinge_discriminator(real, fake).item() == pytest.approx(expected)
    assert losses.hinge_generator(fake).item() == pytest.approx(-(A.mean() + B.mean()) / 2)


def test_r1_is_that_of_a_derivative_by_hand() -> None:
    """D(x) = (w x^2, 3 x at two places); the gradient of its means is 2 w x / 60, and 3 / 2 there."""
    w = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)

    def discriminator(x: torch.Tensor) -> list[torch.Tensor]:
        return [w * x.square(), 3 * x[:, :1, 1:2, 2:4]]

    slope = 2 * 0.7 * A / 60
    slope[:, 0, 1, 2:4] += 3 / 2
    penalty = losses.r1(discriminator, torch.tensor(A))
    assert penalty.item() == pytest.approx(0.5 * (slope**2).sum() / len(A))
    (gradient,) = torch.autograd.grad(penalty, w)  # D learns from it
    assert gradient.item() == pytest.approx((slope * 2 * A / 60).sum() / len(A))


def test_half_precision_is_averaged_in_full() -> None:
    """fp16 holds no square of 400, and bf16 neither the means below nor their squares."""
    assert losses.kl(torch.full((3, 4), 400.0, dtype=torch.float16)).item() == 80_000
    x = torch.tensor([3.0, 3.015625], dtype=torch.bfloat16)
    assert losses.reconstruction(torch.zeros(2), x).item() == 3.0078125
    assert losses.gan_generator([x], "least_squares").item() == (2**2 + 2.015625**2) / 2
    assert losses.hinge_generator([x]).item() == -3.0078125


def test_r1_is_in_full_precision_whatever_is_around_it() -> None:
    """D(x) = the mean of x W; bf16 holds less than the row sums of W, which are its gradient."""
    weights = torch.tensor([[1.0, 0.001], [1.0, -0.003]])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        penalty = losses.r1(lambda x: [x @ weights], torch.ones(1, 2))
    assert penalty.item() == pytest.approx(0.5 * (1.001**2 + 0.997**2) / 4, rel=1e-6)
