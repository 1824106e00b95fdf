"""FID and KID on Inception features, as papers print them, for machines that can fetch the network.

clean-fid (Parmar et al., CVPR 2022) resizes and knows the network; the arithmetic is here. FID grows with
fewer images, so that only figures of as many images compare; KID does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unit_edge.errors import ConfigError
from unit_edge.text.printable import one_line
from unit_edge.train.evaluation.metrics import Image, kernel_distance

Features = Callable[[Image], NDArray[np.float64]]
"""Image, uint8[H,W,3], BGR → its features, float[d]."""


def inception(device: str = "cpu") -> Features:
    """Inception V3's pool features, float[2048], of an image resized as clean-fid does.

    Raises:
        ConfigError: the fid extra is not installed, or the network's weights can't be fetched.
    """
    try:
        import torch
        from cleanfid.features import build_feature_extractor
        from cleanfid.resize import build_resizer
    except ModuleNotFoundError:
        raise ConfigError('--fid needs clean-fid: pip install "unit-edge[fid]"') from None
    try:
        network: Any = build_feature_extractor("clean", torch.device(device), use_dataparallel=False)
    except (OSError, RuntimeError) as error:
        raise ConfigError(
            f"--fid: Inception's weights can't be fetched ({one_line(error, 200)}); "
            "run it once on a machine with a network"
        ) from None
    resize: Any = build_resizer("clean")

    @torch.inference_mode()
    def features(image: Image) -> NDArray[np.float64]:
        resized = np.asarray(resize(np.ascontiguousarray(image[:, :, ::-1])), np.float32)
        x = torch.from_numpy(resized.transpose(2, 0, 1).copy())[None].to(device)
        return np.asarray(network(x)[0].double().cpu().numpy())

    return features


def fid_and_kid(images: Iterable[Image], targets: Iterable[Image], features: Features) -> tuple[float, float]:
    """Distances of two sets of images, 2 or more each.

    Returns:
        FID (`frechet_distance`), and KID, the unbiased squared MMD with a cubic kernel (Bińkowski et al.,
        ICLR 2018), over all images and not over subsets; papers print it times 1000.
    """
    a, b = (np.stack([features(image) for image in group]) for group in (images, targets))
    return frechet_distance(a, b), kernel_distance(a, b)


def frechet_distance(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Squared Fréchet distance of two Gaussians of the features' moments (Heusel et al., NIPS 2017).

        |m_a - m_b|² + Tr(S_a + S_b - 2 (S_a S_b)^(1/2))

    The trace of the root is that of the symmetric S_a^(1/2) S_b S_a^(1/2), so that no complex numbers arise
    where there are fewer images than features.

    Args:
        a: float[N,d], N of 2 or more.
        b: float[M,d], M of 2 or more.
    """
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    values, vectors = np.linalg.eigh(np.atleast_2d(cov_a))
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    between = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ np.atleast_2d(cov_b) @ root), 0)).sum()
    shift = ((a.mean(0) - b.mean(0)) ** 2).sum()
    return float(shift + np.trace(np.atleast_2d(cov_a)) + np.trace(np.atleast_2d(cov_b)) - 2 * between)
