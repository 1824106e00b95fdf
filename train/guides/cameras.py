"""Other cameras' nights: what E2→G1 is shown of a rendering, so that it knows more nights than one.

A guide renders one night, since E1→G2 can learn one only. Real nights are exposed longer or shorter, all
orange under sodium lamps, veiled by glare and grainy, and a network that never saw that keeps it by day. So
the way back is shown the rendering as another camera or another street's lamps would have made it; what it is
to make of that stays the real picture.
"""

from __future__ import annotations

import torch
from torch import Tensor

from unit_edge.train.draw import Draw

STOPS = 1.5
"""How many times the exposure is doubled or halved, at most."""
WARM = 1.0, 0.55, 0.25
"""Linear RGB of white under sodium lamps."""
COOL = 0.65, 0.9, 1.0
"""Linear RGB of white under mercury lamps and white LEDs."""
WARM_SHARE = 2 / 3
"""Of the pictures that are warmer; the others are cooler."""
GLARE = 0.004
"""Linear light over all of a picture, at most, 1 being white."""
GRAIN = 0.02
"""Deviation of a pixel's levels, at most, 1 being white."""
GAMMA = 2.2


def with_another_camera(images: Tensor, share: float, draw: Draw) -> Tensor:
    """Exposes pictures of nights anew, tints, veils and grains them.

    Args:
        images: float[N,3,H,W], RGB in [-1, 1].
        share: of the ranges above, 0 to 1; 0 changes nothing.
        draw: of this step; the same draw gives the same pictures.

    Returns:
        float[N,3,H,W] in [-1, 1].
    """
    uniform = torch.special.ndtr(draw.noise((5, 1, 1, 1)))
    exposure, warmer, tint, glare, grain = uniform.unbind(1)
    warm, cool = (
        1 - share * tint * (1 - torch.tensor(white, device=images.device)[:, None, None])
        for white in (WARM, COOL)
    )
    white = torch.where(warmer < WARM_SHARE, warm, cool)
    white = white / white.mean(1, keepdim=True)
    gain = torch.exp2(share * STOPS * (2 * exposure - 1)) * white
    light = ((images + 1) / 2).clamp(min=0) ** GAMMA * gain + share * GLARE * glare * white
    levels: Tensor = light.clamp(max=1) ** (1 / GAMMA)
    levels = levels + share * GRAIN * grain * draw.noise(tuple(images.shape[1:]))
    return (levels.clamp(0, 1) * 2 - 1).to(images.dtype)
