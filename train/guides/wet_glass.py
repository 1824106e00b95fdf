"""Drops on the windscreen and casts of colour: what E2→G1 must learn to see through.

A rendering of rain is of the street; real pictures of it are taken through a wet windscreen, and many are
blue, as the sky's light is, or dark. So the way back is shown the rendering through such a glass; what it is
to make of that stays the real picture.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from unit_edge.config.detail import GAMMA
from unit_edge.train.draw import Draw

SIZES = 0.007, 0.035
"""Radii of drops over the picture's height; small ones are more frequent."""
SOFT = 0.2, 0.7
"""Over how much of its radius the edge of a drop fades: a camera that looks at the street sees it blurred."""
WIDE = 3.0, 9.0
"""A drop is a lens: it shows so many times its own size of the scene, upside down."""
ASPECT = 0.87, 1.39
"""A drop's width over its height."""
BRIGHT = 0.6, 1.5
"""What a drop shows over what is there, in linear light."""
DRY = 0.2
"""Share of the pictures without a drop."""
CAST = (-0.5, -0.15, -0.05), (0.3, 0.08, 0.15)
"""Mean and deviation of the logarithms of three channels' gains, in linear light, at a cast of 1."""
EXPOSURE = 0.4
"""Deviation of the logarithm of the gain of all three."""


def through_wet_glass(images: Tensor, most: int, cast: float, draw: Draw) -> tuple[Tensor, Tensor]:
    """Pictures as a camera behind a wet windscreen has them.

    Args:
        images: float[N,3,H,W], RGB in [-1, 1].
        most: drops on a picture; it has 0 to so many.
        cast: how much colours and exposure are off, 0 for not at all, 1 for as much as in real rain.
        draw: of this step; the same draw gives the same glass.

    Returns:
        float[N,3,H,W] in [-1, 1], and float[N,1,H,W], how much of each pixel a drop covers, 0 to 1.
    """
    noise = draw.noise((most + 1, 8))
    linear = ((images.float() + 1) / 2).clamp(min=0) ** GAMMA
    cover = torch.zeros_like(linear[:, :1])
    if most:
        linear, cover = _behind_drops(linear, torch.special.ndtr(noise))
    mean, deviation = torch.tensor(CAST, device=images.device)
    gains = (cast * (mean + deviation * noise[:, most, 2:5] + EXPOSURE * noise[:, most, 5:6])).exp()
    seen: Tensor = (linear * gains[:, :, None, None]).clamp(max=1) ** (1 / GAMMA)
    return (seen * 2 - 1).to(images.dtype), cover


def _behind_drops(linear: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
    """Light, float[N,3,H,W], behind drops of float[N,most+1,8] in (0, 1), the last of which says how many.

    With it what they cover of each pixel, float[N,1,H,W].
    """
    _, _, height, width = linear.shape
    most = uniform.shape[1] - 1
    number = most * uniform[:, most, :1] * (uniform[:, most, 1:2] > DRY)
    there = torch.arange(most, device=linear.device) < number
    x, y, size, aspect, wide, bright, soft, _ = uniform[:, :most].unbind(2)
    x, y = x * width, y * height
    radius = SIZES[0] * (SIZES[1] / SIZES[0]) ** size * height
    columns = torch.arange(width, device=linear.device)
    rows = torch.arange(height, device=linear.device)
    # half where a drop ends, and linear in the square of the distance, which is a sum over two axes
    steep = 0.5 / (SOFT[0] + (SOFT[1] - SOFT[0]) * soft)
    flat = ASPECT[1] * (ASPECT[0] / ASPECT[1]) ** aspect
    across = (columns - x[..., None]) ** 2 * (steep / flat / radius**2)[..., None]
    down = (rows - y[..., None]) ** 2 * (steep * flat / radius**2)[..., None]
    middle = torch.where(there, 0.5 + steep, torch.full_like(steep, -torch.inf))
    cover, nearest = ((middle[..., None] - down)[..., None] - across[:, :, None]).max(1)
    cover = cover.clamp(0, 1)[:, None]

    def of_nearest(values: Tensor) -> Tensor:
        return values.gather(1, nearest.flatten(1)).view_as(nearest)

    turned = of_nearest(WIDE[0] + (WIDE[1] - WIDE[0]) * wide)
    centre_x, centre_y = of_nearest(x), of_nearest(y)
    from_x = centre_x - turned * (columns - centre_x)
    from_y = centre_y - turned * (rows[:, None] - centre_y)
    grid = torch.stack([(2 * from_x + 1) / width - 1, (2 * from_y + 1) / height - 1], 3)
    blurred = F.avg_pool2d(linear, 5, 1, 2, count_include_pad=False)
    shown = F.grid_sample(blurred, grid, padding_mode="reflection", align_corners=False)
    shown = shown * of_nearest(BRIGHT[0] + (BRIGHT[1] - BRIGHT[0]) * bright)[:, None]
    return linear + cover * (shown - linear), cover
