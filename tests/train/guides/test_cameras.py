"""Other cameras' pictures of a rendering, which E2 is shown."""

from __future__ import annotations

import torch

from unit_edge.train.draw import BatchPart, Draw
from unit_edge.train.guides.cameras import with_another_camera

CPU = torch.device("cpu")


def taken(images: torch.Tensor, share: float = 1.0, first: int = 0, batch: int = 256) -> torch.Tensor:
    return with_another_camera(images, share, Draw((3, 5), BatchPart(batch, first, len(images)), CPU))


def levels(grey: float, share: float = 1.0) -> torch.Tensor:
    """Mean levels, float[256,3], of 256 pictures of a grey wall."""
    return (taken(torch.full((256, 3, 24, 40), grey * 2 - 1), share).mean((2, 3)) + 1) / 2


def test_exposures_span_three_stops_around_the_renderings() -> None:
    light = (levels(0.3) ** 2.2).mean(1)
    stops = torch.log2(light / 0.3**2.2)
    assert -1.6 < stops.min() < -1.1 and 1.2 < stops.max() < 1.9
    assert abs(float(stops.mean())) < 0.25


def test_most_are_warm_and_none_is_green_or_pink() -> None:
    red, green, blue = (levels(0.4) ** 2.2).unbind(1)
    warm = red > blue
    assert 0.55 < float(warm.float().mean()) < 0.78
    assert (green <= torch.maximum(red, blue) * 1.02).all() and (
        green >= torch.minimum(red, blue) * 0.98
    ).all()
    ratio = (blue / red)[warm]
    assert ratio.min() < 0.45 and ratio.max() > 0.9  # from sodium lamps to white ones


def test_black_is_veiled_and_grained_and_no_more() -> None:
    dark = (taken(torch.full((256, 3, 24, 40), -1.0)) + 1) / 2
    assert 0.05 < dark.mean((1, 2, 3)).max() < 0.11 and dark.mean((1, 2, 3)).min() < 0.03
    deviation = dark.std((2, 3)).amax(1)
    assert 0.012 < deviation.max() < 0.023 and deviation.min() < 0.003


def test_a_share_of_the_ranges() -> None:
    torch.testing.assert_close(levels(0.3, 0.0), torch.full((256, 3), 0.3), atol=1e-3, rtol=0)
    assert (levels(0.3, 0.3) - 0.3).abs().max() < 0.6 * (levels(0.3) - 0.3).abs().max()


def test_pictures_do_not_depend_on_how_a_batch_is_cut() -> None:
    night = torch.rand(6, 3, 16, 24) * 0.8 - 1
    whole = taken(night, batch=6)
    torch.testing.assert_close(whole[4:], taken(night[4:], first=4, batch=6))
