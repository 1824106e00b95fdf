"""Networks that others learn through, but that do not learn themselves for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def eval_mode(module: nn.Module) -> Iterator[None]:
    """The module is in evaluation mode inside: dropout is off, and no running estimate moves.

    The vectors of spectral norms, which move once a step, are such estimates.
    """
    mode = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(mode)


@contextmanager
def no_parameter_grad(module: nn.Module) -> Iterator[None]:
    """No parameter of the module collects a gradient inside, and the module is in evaluation mode.

    Unlike under `torch.no_grad`, gradients flow through it to what came before.
    """
    trainable = [parameter for parameter in module.parameters() if parameter.requires_grad]
    for parameter in trainable:
        parameter.requires_grad_(False)
    try:
        with eval_mode(module):
            yield
    finally:
        for parameter in trainable:
            parameter.requires_grad_(True)
