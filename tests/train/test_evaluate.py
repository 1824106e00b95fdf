from __future__ import annotations

import numpy as np
import pytest
import torch

from unit_edge.train.evaluate import edges_kept, kernel_distance

RNG = np.random.default_rng(0)


def test_kernel_distance_is_the_unbiased_mmd() -> None:
    a, b = RNG.normal(size=(5, 3)), RNG.normal(1, 1, size=(4, 3))

    def k(x: np.ndarray, y: np.ndarray) -> float:
        return float((x @ y / 3 + 1) ** 3)

    aa = np.mean([k(a[i], a[j]) for i in range(5) for j in range(5) if i != j])
    bb = np.mean([k(b[i], b[j]) for i in range(4) for j in range(4) if i != j])
    ab = np.mean([k(x, y) for x in a for y in b])
    assert kernel_distance(a, b) == pytest.approx(aa + bb - 2 * ab)


def test_edges_kept() -> None:
    image = RNG.integers(0, 256, (40, 50, 3)).astype(np.uint8)
    assert edges_kept(image, image) == pytest.approx(1)
    assert edges_kept(image, image // 2) > 0.95
    assert abs(edges_kept(image, image[::-1, ::-1])) < 0.2
    assert edges_kept(image, np.zeros_like(image)) == 0


def test_features_and_critic() -> None:
    pytest.importorskip("efficientnet_lite_pytorch", reason='needs pip install "unit-edge[critic]"')
    from unit_edge.train.critic import LEVELS, Critic, Projection
    from unit_edge.train.features import Features

    features = Features("efficientnet-lite1").train()
    assert not any(module.training for module in features.modules())
    x = torch.rand(2, 3, 64, 64, requires_grad=True)
    levels = features.levels(x)
    assert [tuple(level.shape[1:]) for level in levels] == [
        (channels, 64 // stride, 64 // stride)
        for (channels, _), stride in zip(LEVELS, (4, 8, 16, 32), strict=True)
    ]
    logits = Critic()(Projection(features)(x))
    torch.stack([level.sum() for level in logits]).sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None and x.grad.abs().sum() > 0
    assert all(p.grad is None for p in features.parameters())
