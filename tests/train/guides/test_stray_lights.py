"""Lights that are put over what E2 is shown."""

from __future__ import annotations

import torch

from unit_edge.train.draw import BatchPart, Draw
from unit_edge.train.guides.stray_lights import with_stray_lights

CPU = torch.device("cpu")


def lit(images: torch.Tensor, most: int, first: int = 0, batch: int = 64) -> torch.Tensor:
    return with_stray_lights(images, most, Draw((3, 5), BatchPart(batch, first, len(images)), CPU))


def test_light_is_only_added_and_stays_in_range() -> None:
    night = torch.rand(64, 3, 48, 80) * 0.6 - 1
    seen = lit(night, 6)
    assert (seen >= night - 1e-4).all() and seen.max() <= 1
    # some pictures get none, and in most some pixels are full of light
    untouched = (seen - night).abs().amax((1, 2, 3)) < 1e-4
    assert 2 <= int(untouched.sum()) <= 20
    assert int((seen.amin(1) > 0.98).any(1).any(1).sum()) > 20


def test_most_of_a_picture_stays_dark() -> None:
    seen = lit(torch.full((64, 3, 48, 80), -1.0), 6)
    linear = ((seen + 1) / 2) ** 2.2
    assert float((linear.mean(1) > 0.1).float().mean()) < 0.08
    assert float(linear.mean()) < 0.06


def test_lights_do_not_depend_on_how_a_batch_is_cut() -> None:
    night = torch.full((6, 3, 32, 48), -0.9)
    whole = lit(night, 8, batch=6)
    torch.testing.assert_close(whole[4:], lit(night[4:], 8, first=4, batch=6))


def test_none_are_wanted() -> None:
    night = torch.rand(2, 3, 16, 16) * 2 - 1
    torch.testing.assert_close(lit(night, 0), night, atol=1e-3, rtol=0)
