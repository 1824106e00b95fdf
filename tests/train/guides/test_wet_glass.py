"""The windscreen through which E2 is shown a rendering."""

from __future__ import annotations

import torch

from unit_edge.train.draw import BatchPart, Draw
from unit_edge.train.guides.wet_glass import through_wet_glass

CPU = torch.device("cpu")


def seen(images: torch.Tensor, most: int, cast: float, first: int = 0, batch: int = 64) -> torch.Tensor:
    return glass(images, most, cast, first, batch)[0]


def glass(
    images: torch.Tensor, most: int, cast: float, first: int = 0, batch: int = 64
) -> tuple[torch.Tensor, torch.Tensor]:
    return through_wet_glass(images, most, cast, Draw((3, 5), BatchPart(batch, first, len(images)), CPU))


def sky_and_road(count: int) -> torch.Tensor:
    """A bright upper half and a dark lower half."""
    images = torch.full((count, 3, 48, 80), 0.6)
    images[:, :, 24:] = -0.6
    return images


def test_drops_show_the_scene_upside_down() -> None:
    given = sky_and_road(64)
    through = seen(given, 60, 0.0)
    darker, brighter = through < given - 0.3, through > given + 0.3
    assert darker[:, :, 8:22].any() and brighter[:, :, 26:40].any()  # road in the sky, sky in the road
    changed = ((through - given).abs() > 0.05).any(1).float().mean((1, 2))
    assert float(changed.max()) < 0.7
    # some pictures are dry, and the rest between few drops and many
    assert 6 <= int((changed == 0).sum()) <= 30
    assert float(changed.max()) > 8 * float(changed[changed > 0].min())


def test_nothing_changes_but_what_drops_cover() -> None:
    given = torch.rand(16, 3, 48, 80) * 1.6 - 0.8
    through, cover = glass(given, 60, 0.0)
    assert cover.shape == (16, 1, 48, 80) and float(cover.min()) >= 0 and float(cover.max()) <= 1
    change = (through - given).abs().amax(1, keepdim=True)
    assert float(change[cover == 0].max()) < 1e-3
    assert float(change[cover > 0.9].mean()) > 10 * float(change[(cover > 0) & (cover < 0.05)].mean()) > 0


def test_drops_keep_even_pictures_but_for_their_light() -> None:
    """A lens shows only what is there: of one colour nothing else comes."""
    colour = torch.tensor([0.2, -0.1, -0.5]).view(1, 3, 1, 1).expand(32, 3, 48, 80)
    linear = ((seen(colour, 60, 0.0) + 1) / 2) ** 2.2
    ratio = linear / ((colour + 1) / 2) ** 2.2
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio), rtol=1e-3, atol=1e-3)
    assert 0.6 - 1e-3 <= ratio.min() < 0.8 and 1.2 < ratio.max() <= 1.5 + 1e-3


def test_a_cast_is_one_gain_a_channel_mostly_blue() -> None:
    given = torch.rand(64, 3, 16, 16) * 0.6 - 0.8
    linear = ((seen(given, 0, 1.0) + 1) / 2) ** 2.2 / ((given + 1) / 2) ** 2.2
    gains = linear.mean((2, 3))
    torch.testing.assert_close(linear, gains[:, :, None, None].expand_as(linear), rtol=1e-3, atol=1e-3)
    assert int((gains[:, 2] > gains[:, 0]).sum()) > 50
    half = ((seen(given, 0, 0.5) + 1) / 2) ** 2.2 / ((given + 1) / 2) ** 2.2
    torch.testing.assert_close(half**2, linear, rtol=1e-3, atol=1e-3)


def test_the_glass_does_not_depend_on_how_a_batch_is_cut() -> None:
    given = sky_and_road(6)
    whole = seen(given, 40, 1.0, batch=6)
    torch.testing.assert_close(whole[4:], seen(given[4:], 40, 1.0, first=4, batch=6))


def test_a_clean_glass_changes_nothing() -> None:
    given = torch.rand(2, 3, 16, 16) * 2 - 1
    through, cover = glass(given, 0, 0.0)
    torch.testing.assert_close(through, given, atol=1e-3, rtol=0)
    assert not cover.any()
