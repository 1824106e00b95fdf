"""Motion as a loss knows it, against pixels moved by hand."""

from __future__ import annotations

import pytest
import torch

from unit_edge.train.draw import BatchPart, Draw
from unit_edge.train.losses.steady import SHIFT, ZOOM, moved, random_motion, unsteadiness

STILL = torch.tensor([[[1.0, 0, 0], [0, 1, 0]]])


def draw() -> Draw:
    return Draw((1, 2, 3), BatchPart(4, 0, 4), torch.device("cpu"))


def right_by(pixels: int, width: int) -> torch.Tensor:
    motion = STILL.clone()
    motion[0, 0, 2] = 2 * pixels / width
    return motion


def test_no_motion_changes_nothing() -> None:
    x = torch.rand(1, 3, 12, 20)
    torch.testing.assert_close(moved(x, STILL), x)


def test_a_shift_is_one_of_pixels() -> None:
    x = torch.rand(1, 3, 12, 20)
    torch.testing.assert_close(moved(x, right_by(3, 20))[..., :-3], x[..., 3:])


def test_moving_the_translation_is_no_error_and_standing_still_is() -> None:
    translation = torch.rand(1, 3, 12, 20)
    motion = right_by(3, 20)
    of_moved = torch.cat([translation[..., 3:], torch.full((1, 3, 12, 3), 9.0)], 3)  # unseen: does not count
    assert unsteadiness(translation, of_moved, motion).item() == pytest.approx(0, abs=1e-6)
    expected = (translation[..., 3:] - translation[..., :-3]).abs().sum() / translation.numel()
    assert unsteadiness(translation, translation, motion).item() == pytest.approx(expected.item(), rel=1e-4)


def test_motions_are_drawn_within_their_bounds_and_again_the_same() -> None:
    motion = random_motion(draw())
    assert torch.equal(motion, random_motion(draw()))
    assert ((motion[:, 0, 0] - 1).abs() <= ZOOM + 1e-6).all()
    assert (motion[:, :, 2].abs() <= SHIFT + 1e-6).all()
    assert motion[:, 0, 0].unique().numel() == 4


def test_gradients_reach_the_translation_of_the_moved_image_alone() -> None:
    first, second = (torch.rand(1, 3, 8, 8, requires_grad=True) for _ in range(2))
    unsteadiness(first, second, right_by(1, 8)).backward()  # type: ignore[no-untyped-call]
    assert first.grad is None
    assert second.grad is not None and second.grad.any()
