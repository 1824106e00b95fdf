"""Steadiness as a loss: translating a moved picture should be moving its translation.

It is an addition to the paper. What a network does to a pixel then depends less on where the pixel grid lies,
which is what flickers when a camera moves.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from unit_edge.train.draw import Draw

ZOOM = 0.08
"""A picture is enlarged or shrunk by up to this share."""
SHIFT = 0.08
"""And moved by up to this share of half its width and of half its height."""
_STEPS = 2001


def random_motion(draw: Draw) -> Tensor:
    """A zoom and a shift for each image of a draw's part, float[N,2,3], for `moved`."""
    zoom, right, down = (
        torch.tensor(draw.integers(_STEPS), dtype=torch.float32) / (_STEPS - 1) * 2 - 1 for _ in range(3)
    )
    motion = torch.zeros(len(zoom), 2, 3)
    motion[:, 0, 0] = motion[:, 1, 1] = 1 + ZOOM * zoom
    motion[:, 0, 2], motion[:, 1, 2] = SHIFT * right, SHIFT * down
    return motion


def moved(x: Tensor, motion: Tensor) -> Tensor:
    """Images as a camera that moved would show them, float[N,C,H,W]; what it could not see is mirrored."""
    grid = F.affine_grid(motion.to(x.device), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)


def unsteadiness(translation: Tensor, of_moved: Tensor, motion: Tensor) -> Tensor:
    """Mean absolute difference between the moved translation and the translation of the moved image.

    Args:
        translation: of the image, float[N,3,H,W]; no gradient flows into it.
        of_moved: the translation of the moved image, the same size.
        motion: from `random_motion`. Pixels that the image does not show don't count.
    """
    with torch.no_grad():
        target = moved(translation.float(), motion)
        grid = F.affine_grid(motion.to(target.device), list(target.shape), align_corners=False)
        seen = (grid.abs() < 1).all(-1, keepdim=True).permute(0, 3, 1, 2).float()
    return ((target - of_moved.float()).abs() * seen).mean()
