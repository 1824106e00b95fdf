"""Versions of a translator in other precisions than fp32.

Precision is part of the graph, which strongly typed TensorRT networks and all other backends follow.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from unit_edge.export.translator import Translator

PRECISIONS = ("fp32", "fp16", "int8")


def in_fp16(translator: Translator) -> Translator:
    """A copy whose E and G compute in fp16; only their normalisations, and all around them, stay in fp32.

    Sums of instance normalisation overflow fp16 on large maps, and the head's variances are differences
    of nearly equal numbers. E and G take and give values in [-1, 1].
    """
    translator = copy.deepcopy(translator)
    for network in (translator.encoder, translator.generator):
        network.half()
        for parent in list(network.modules()):
            for name, child in list(parent.named_children()):
                if isinstance(child, nn.InstanceNorm2d):
                    setattr(parent, name, nn.Sequential(_To(torch.float32), child, _To(torch.float16)))
    translator.dtype = torch.float16
    return translator


class _To(nn.Module):
    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype

    def forward(self, x: Tensor) -> Tensor:
        return x.to(self.dtype)
