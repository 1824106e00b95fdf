from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import cv2
import numpy as np
import pytest
import torch
from tiny import TINY
from torch import Tensor

from unit_edge.config import Detail, RunConfig
from unit_edge.train.evaluation.translate_image import ImageTranslator, short_side
from unit_edge.train.guided import GuidedHead
from unit_edge.train.networks import UNIT

IMAGE = np.random.default_rng(0).integers(0, 256, (60, 90, 3)).astype(np.uint8)


class Adder:
    """E1, E2 are the identity; G1 adds 0.02, G2 adds 0.06."""

    def encoder(self, domain: int) -> Callable[[Tensor], Tensor]:
        return lambda x: x

    def decode(self, z: Tensor, domain: int) -> Tensor:
        return z + (0.02, 0.06)[domain]


def test_errors_are_in_8_bit_levels() -> None:
    for source, reconstruction in ((0, 0.02), (1, 0.06)):
        given = ImageTranslator(cast(Any, Adder()), source, 40, None).errors(IMAGE)
        assert given == pytest.approx((127.5 * reconstruction, 127.5 * 0.08), abs=1e-3)


def test_a_translation_is_that_of_the_small_image_enlarged() -> None:
    small = cv2.resize(IMAGE, (60, 40), interpolation=cv2.INTER_AREA).astype(float)
    expected = cv2.resize(np.clip(small + 127.5 * 0.06, 0, 255), (90, 60))
    given = ImageTranslator(cast(Any, Adder()), 0, 40, None)(IMAGE)
    assert given.shape == IMAGE.shape and given.dtype == np.uint8
    assert np.abs(given - expected).max() <= 1.01


def test_the_head_keeps_the_images_own_detail() -> None:
    headless = ImageTranslator(cast(Any, Adder()), 0, 20, None)(IMAGE)
    given = ImageTranslator(cast(Any, Adder()), 0, 20, GuidedHead(Detail()))(IMAGE)
    expected = np.clip(IMAGE + 127.5 * 0.06, 0, 255)
    assert np.abs(given - expected).max() <= 1
    assert np.abs(headless - expected).mean() > 20


def test_with_networks_both_directions_differ(config: RunConfig) -> None:
    assert short_side(config) == 37
    torch.manual_seed(0)
    unit = UNIT(TINY).eval()
    there, back = (ImageTranslator(unit, source, 37, None) for source in (0, 1))
    assert there(IMAGE).shape == back(IMAGE[:31, :33]).shape[:0] + IMAGE.shape
    assert (there(IMAGE) == there(IMAGE)).all() and (there(IMAGE) != back(IMAGE)).any()
    assert all(0 < error < 255 for error in there.errors(IMAGE))
