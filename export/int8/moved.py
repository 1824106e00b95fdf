"""How far int8 moves a translation from the checkpoint's, where the kernel distance is measured.

MMD is a distance: whatever the target domain's images are, the one to them changes by no more than the one
between int8's frames and the checkpoint's. So no image of the target is needed to bound it.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray

from unit_edge.export.translator import Translator
from unit_edge.runtime.backends.base import Runner
from unit_edge.runtime.batch import infer_images
from unit_edge.train.evaluation.metrics import kernel
from unit_edge.train.features import Features

Image = NDArray[np.uint8]

FRAMES = 32
"""That are compared, at most."""

MOST = 1.0
"""Of the way from the frames to their translations that int8 may move these: no further than that itself.

It is a bound, and a loose one. Bundled models, at 42 to 48 dB: 0.14 (night to day) to 0.70 (clear to rain),
and none is further from its target's held-out images than in fp32.
"""


class Moved:
    """Frames, the checkpoint's translations of them, and where both are among ImageNet features."""

    def __init__(self, translator: Translator, frames: Iterable[Image]) -> None:
        """Translates.

        Raises:
            ConfigError: the features' package is not installed.
        """
        self._features = Features("efficientnet-lite0")
        self._frames = list(frames)
        with torch.inference_mode():
            translated = (translator(torch.from_numpy(frame[None])).numpy()[0] for frame in self._frames)
            self._expected = self._of(translated)
        self._path = distance(self._of(self._frames), self._expected)

    def by(self, runner: Runner) -> float:
        """The distance from the checkpoint's frames to a file's, over that to the frames themselves."""
        given = self._of(infer_images(runner, [frame])[0] for frame in self._frames)
        return distance(given, self._expected) / max(self._path, 1e-12)

    def _of(self, images: Iterable[Image]) -> NDArray[np.float64]:
        rows = []
        for image in images:
            rgb = torch.from_numpy(image[:, :, ::-1].copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
            with torch.inference_mode():
                rows.append(self._features.pooled(rgb).numpy()[0])
        return np.array(rows, np.float64)


def distance(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """MMD between two sets of features, float[N,d] and float[M,d]: biased, so that it is a distance."""
    squared = kernel(a, a).mean() + kernel(b, b).mean() - 2 * kernel(a, b).mean()
    return float(np.sqrt(max(squared, 0)))
