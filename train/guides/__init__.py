"""Guides: renderers that show training what domain 1's images would look like in domain 2.

They are an addition to the paper: they give an unpaired training pairs in both directions. A new one is a
function `(image, classes, rng) → image` (guide.py) in a file of its own, and its name here and in
`GuideConfig`. What it works out of a picture alone can be a function of its own, whose result is kept.
"""

from __future__ import annotations

from pathlib import Path

from unit_edge.config import GuideConfig
from unit_edge.train.guides.fog import fog
from unit_edge.train.guides.guide import Guide, Renderer
from unit_edge.train.guides.night import NIGHT
from unit_edge.train.guides.rain import rain
from unit_edge.train.guides.segmentation import Segmenter
from unit_edge.train.guides.snow import snow

RENDERERS = {"night": NIGHT, "rain": Renderer(rain), "snow": Renderer(snow), "fog": Renderer(fog)}


def open_guide(config: GuideConfig, root: Path) -> Guide | None:
    """The guide of a run's settings, or None without one.

    Args:
        config: the run's `[guide]`.
        root: what the segmentation network's path is relative to.

    Raises:
        ConfigError: there is no such network.
    """
    if config.name == "none":
        return None
    renderer = RENDERERS[config.name]
    return Guide(renderer.render, Segmenter(root / config.segmenter), renderer.prepare)
