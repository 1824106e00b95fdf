"""A whole image through the networks of a training run, without noise, as its exported model would do it."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unit_edge.config import RunConfig
from unit_edge.train.data.dataset import to_image, to_tensor, whole
from unit_edge.train.guided import GuidedHead, with_margin
from unit_edge.train.networks import UNIT

LEVELS = 127.5
"""8-bit levels of a difference of 1 between values in [-1, 1]."""


def short_side(config: RunConfig) -> int:
    """Short side, in pixels, of the images that E and G see: the middle of what they were trained on."""
    return round(sum(config.data.short_side) / 2)


class ImageTranslator:
    """Translates images of one domain into the other: uint8[H,W,3], BGR → the same, of the same size.

    Args:
        unit: E1, E2, G1, G2, on `device`; put it into evaluation mode first if it has dropout.
        source: index of the domain that the images are from.
        side: the images are shrunk to this short side, in pixels, for E and G.
        head: brings what E and G did to the full-size image; None enlarges their output.
        device: that the networks are on.
    """

    def __init__(
        self, unit: UNIT, source: int, side: int, head: GuidedHead | None, device: torch.device | str = "cpu"
    ) -> None:
        self.unit, self.source, self.side, self.head = unit, source, side, head
        self.device = torch.device(device)

    @torch.inference_mode()
    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        x = self._small(image)
        margin = 0 if self.head is None else self.head.settings.margin
        encoder = self.unit.encoder(self.source)
        y = with_margin(lambda seen: self.unit.decode(encoder(seen), 1 - self.source), x, margin)
        if self.head is not None:
            frame = torch.from_numpy(image[:, :, ::-1].transpose(2, 0, 1).copy())[None].to(self.device)
            return to_image(self.head(frame.float(), x, y)[0] / LEVELS - 1)
        size = image.shape[1], image.shape[0]
        enlarged = cv2.resize(to_image(y[0]), size, interpolation=cv2.INTER_LINEAR)
        return enlarged.astype(np.uint8, copy=False)

    @torch.inference_mode()
    def errors(self, image: NDArray[np.uint8]) -> tuple[float, float]:
        """Reconstruction and cycle error of E and G, the head left out, in 8-bit levels.

        They are the means of |x - G_i(E_i(x))| and |x - G_i(E_j(G_j(E_i(x))))|, x the shrunk image.
        """
        here, there = self.source, 1 - self.source
        x = self._small(image)
        z = self.unit.encoder(here)(x)
        cycled = self.unit.encoder(there)(self.unit.decode(z, there))
        reconstruction, cycle = (
            float((self.unit.decode(code, here) - x).abs().mean()) * LEVELS for code in (z, cycled)
        )
        return reconstruction, cycle

    def _small(self, image: NDArray[np.uint8]) -> Tensor:
        """float[1,3,h,w], RGB in [-1, 1]."""
        return to_tensor(whole(image, self.side))[None].to(self.device)
