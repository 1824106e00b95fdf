"""A model that translates the frames on their way to the detector."""

from __future__ import annotations

from collections.abc import Callable

from unit_edge.runtime.backends.base import Runner
from unit_edge.runtime.batch import infer_images
from unit_edge.runtime.check.pairs import Image
from unit_edge.runtime.resize import Fit


def translator(runner: Runner) -> Callable[[Image], Image]:
    """uint8[H,W,3] BGR to the same, by a runner that is open."""
    fit = Fit(runner)

    def translate(image: Image) -> Image:
        height, width = image.shape[:2]
        return fit.back(infer_images(runner, [fit.to_model(image)])[0], width, height)

    return translate
