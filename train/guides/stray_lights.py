"""Lights of which the picture knows nothing: what E2→G1 must learn to paint over.

A guide lights what has a reason to shine. Real nights have lamps, signs, headlights and their mirror images
anywhere, and a network that never saw such a thing over leaves, walls and sky keeps it as a coloured blot. So
the way back is shown the rendering with lights put over it at random; what it is to make of that stays the
real picture.
"""

from __future__ import annotations

import torch
from torch import Tensor

from unit_edge.config.detail import GAMMA
from unit_edge.train.draw import Draw

COLOURS = (
    (1.0, 0.95, 0.85),
    (1.0, 0.95, 0.85),
    (0.80, 0.92, 1.0),
    (1.0, 0.62, 0.25),
    (1.0, 0.80, 0.50),
    (1.0, 0.02, 0.012),
    (0.10, 1.0, 0.65),
)
"""Linear RGB of headlights and white LEDs, sodium and warm lamps, tail lights and traffic lights."""
SIZES = 0.004, 0.05
"""From the centre of a light to where it has fallen to 1/e, over the picture's height."""
PEAKS = 0.7, 6.0
"""Linear light in a centre, 1 being white."""
ROWS = 0.12, 0.68
"""Where centres are, over the picture's height."""
MIRRORED = 0.35
"""Share of the lights that a wet road mirrors, drawn out downwards."""
SQUARE = 0.3
"""Share that are signs and windows, not lamps."""
HALO = 0.05
"""Of a peak that a lens spreads round it."""


def with_stray_lights(images: Tensor, most: int, draw: Draw) -> Tensor:
    """Adds lights to pictures of nights, in linear light.

    Args:
        images: float[N,3,H,W], RGB in [-1, 1].
        most: lights of a picture; each has 0 to so many.
        draw: of this step; the same draw gives the same lights.

    Returns:
        float[N,3,H,W] in [-1, 1].
    """
    _, _, height, width = images.shape
    uniform = torch.special.ndtr(draw.noise((most + 1, 8)))  # a further row, for their number
    shining = torch.arange(1, most + 1, device=images.device) <= uniform[:, most, :1] * (most + 1)
    x, row, size, aspect, peak, colour, square, mirror = uniform[:, :most, :, None, None].unbind(2)
    radius = SIZES[0] * (SIZES[1] / SIZES[0]) ** size * height
    radius_x, radius_y = radius * 4 ** (aspect - 0.5), radius * 4 ** (0.5 - aspect)
    y = ROWS[0] + (ROWS[1] - ROWS[0]) * row
    dx = torch.arange(width, device=images.device) - x * width
    dy = torch.arange(height, device=images.device)[:, None] - y * height
    power = torch.where(square < SQUARE, 6.0, 2.0)
    core = torch.exp(-((dx / radius_x).abs() ** power) - (dy / radius_y).abs() ** power)
    halo = HALO / (1 + (dx**2 + dy**2) / (3 * radius) ** 2) ** 1.5
    below = dy - 0.6 * (1 - y) * height
    mirrored = 0.3 * torch.exp(-((dx / radius_x) ** 2) - (below / (6 * radius_y)) ** 2)
    light = core + halo + mirrored * (mirror < MIRRORED)
    light = light * PEAKS[0] * (PEAKS[1] / PEAKS[0]) ** peak * shining[:, :, None, None]
    palette = torch.tensor(COLOURS, device=images.device)
    chosen = palette[(colour[:, :, 0, 0] * len(COLOURS)).long()]
    added = torch.einsum("nkhw,nkc->nchw", light, chosen)
    linear = ((images + 1) / 2).clamp(min=0) ** GAMMA + added
    return (linear.clamp(max=1) ** (1 / GAMMA) * 2 - 1).to(images.dtype)
