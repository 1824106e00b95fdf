"""What E2 is shown of a rendering."""

from __future__ import annotations

import torch
from torch import Tensor

from unit_edge.config import GuideConfig
from unit_edge.train.draw import Draw
from unit_edge.train.guides.stray_lights import with_stray_lights
from unit_edge.train.guides.wet_glass import through_wet_glass


def shown_to_e2(rendering: Tensor, guide: GuideConfig, draw: Draw) -> tuple[Tensor, Tensor]:
    """A rendering as the settings of a guide let E2 see it.

    Args:
        rendering: float[N,3,H,W] in [-1, 1].
        guide: the settings.
        draw: of this step; the same draw shows the same.

    Returns:
        float[N,3,H,W] in [-1, 1], and float[N,1,H,W], how much of each pixel a drop covers, 0 to 1.
    """
    cover = torch.zeros_like(rendering[:, :1])
    if guide.stray_lights:
        rendering = with_stray_lights(rendering, guide.stray_lights, draw)
    if guide.drops or guide.cast:
        rendering, cover = through_wet_glass(rendering, guide.drops, guide.cast, draw)
    return rendering, cover
