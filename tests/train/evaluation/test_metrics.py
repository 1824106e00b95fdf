"""The figures against numbers worked out by hand, by loops, and on clips whose flicker is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from unit_edge.errors import DataError
from unit_edge.train.evaluation.metrics import (
    edges_kept,
    flicker,
    kernel_distance,
    pixel_accuracy,
    target_distance,
)


def test_pixel_accuracy_asks_all_three_channels() -> None:
    truth = np.full((2, 2, 3), 100, np.uint8)
    image = truth.copy()
    image[0, 0] = (116, 84, 100)  # 16 off: still right
    image[0, 1, 2] = 117
    image[1, 0, 0] = 83
    assert pixel_accuracy(image, truth) == 0.5
    assert pixel_accuracy(np.zeros((1, 1, 3), np.uint8), np.full((1, 1, 3), 255, np.uint8)) == 0
    with pytest.raises(DataError, match="2x2 and 3x2"):
        pixel_accuracy(image, np.zeros((2, 3, 3), np.uint8))


def test_kernel_distance_is_the_unbiased_mmd() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(5, 3)), rng.normal(1, 1, size=(4, 3))

    def k(x: np.ndarray, y: np.ndarray) -> float:
        return float((x @ y / 3 + 1) ** 3)

    aa = np.mean([k(a[i], a[j]) for i in range(5) for j in range(5) if i != j])
    bb = np.mean([k(b[i], b[j]) for i in range(4) for j in range(4) if i != j])
    ab = np.mean([k(x, y) for x in a for y in b])
    assert kernel_distance(a, b) == pytest.approx(aa + bb - 2 * ab)


def test_kernel_distance_is_unbiased_and_grows() -> None:
    rng = np.random.default_rng(0)

    def mean(shift: float) -> float:
        pairs = ((rng.normal(size=(8, 4)), rng.normal(shift, 1, (6, 4))) for _ in range(400))
        return float(np.mean([kernel_distance(a, b) for a, b in pairs]))

    assert abs(mean(0.0)) < 0.25 < mean(0.5) < mean(1.0)


def test_target_distance_is_1_for_the_targets_themselves_on_average() -> None:
    rng = np.random.default_rng(0)
    targets = np.array([[0.0], [2.0]])  # each is 2 from the only other one; the middle is 1
    np.testing.assert_allclose(target_distance(np.array([[1.0], [3.0], [7.0]]), targets), [0, 1, 3])
    many = rng.normal(size=(200, 5))
    assert target_distance(rng.normal(size=(200, 5)), many).mean() == pytest.approx(1, abs=0.1)


def test_edges_kept() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (40, 50, 3)).astype(np.uint8)
    assert edges_kept(image, image) == pytest.approx(1)
    assert edges_kept(image, image // 2) > 0.95
    assert abs(edges_kept(image, image[::-1, ::-1])) < 0.2
    assert edges_kept(image, np.zeros_like(image)) == 0


def pan(frames: int, step: int) -> list[NDArray[np.uint8]]:
    """A camera that pans over a smooth texture by so many pixels a frame; values 60 to 190."""
    rng = np.random.default_rng(1)
    noise = cv2.GaussianBlur(rng.normal(size=(96, 128 + frames * step, 3)), (0, 0), 3.0)
    scaled = 60 + 130 * (noise - noise.min()) / np.ptp(noise)
    texture = scaled.astype(np.uint8)
    return [texture[:, i * step : i * step + 128].copy() for i in range(frames)]


def test_flicker_of_a_still_clip_is_the_change_itself() -> None:
    still = [pan(1, 1)[0]] * 5
    turn = iter(range(5))
    measured = flicker(still, lambda image: image + np.uint8(10 * (next(turn) % 2)))
    assert measured.output == pytest.approx([10] * 4)
    assert measured.input == [0] * 4
    assert measured.cuts == 0
    grey = cv2.cvtColor(still[0], cv2.COLOR_BGR2GRAY)
    assert measured.input_contrast == pytest.approx([grey.std()] * 4)
    assert measured.output_contrast == pytest.approx([grey.std()] * 4, rel=0.01)


def test_motion_is_no_flicker_and_flicker_is_found_in_motion() -> None:
    clip = pan(6, 4)
    unwarped = np.mean([np.abs(a.astype(int) - b).mean() for a, b in zip(clip[1:], clip, strict=False)])
    turn = iter(range(6))
    steady = flicker(clip, lambda image: 255 - image)
    assert steady.output == pytest.approx(steady.input, abs=0.01)
    assert np.mean(steady.output) < unwarped / 8
    restless = flicker(clip, lambda image: image + np.uint8(20 * (next(turn) % 2)))
    assert restless.output == pytest.approx([20] * 5, abs=1.5)
    assert restless.input == steady.input


def test_what_sticks_to_the_screen_counts_as_flicker() -> None:
    rng = np.random.default_rng(0)
    pattern = (rng.integers(0, 2, (96, 128, 1)) * 30).astype(np.uint8)
    stuck = flicker(pan(4, 4), lambda image: image + pattern)
    assert min(stuck.output) > 8 > 4 > max(stuck.input)


def test_what_comes_into_the_frame_does_not_count() -> None:
    """The last 8 columns of a frame weren't in the one before; the translation differs in 5 of them."""
    turn = iter(range(4))

    def translate(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        out = np.full_like(image, 100)
        if next(turn) == 3:
            out[:, 128 - 5 :] = 250
        return out

    assert max(flicker(pan(4, 8), translate).output) < 0.5


def test_a_cut_is_left_out() -> None:
    rng = np.random.default_rng(1)
    first, second = pan(3, 2), [rng.integers(0, 256, (96, 128, 3)).astype(np.uint8)] * 3
    measured = flicker([*first, *second], lambda image: image)
    assert measured.cuts == 1 and len(measured.output) == len(measured.input) == 4
    assert max(measured.input) < 5


@pytest.mark.parametrize(("frames", "expected"), [(0, "0 frames"), (1, "1 frame;")])
def test_flicker_needs_two_frames(frames: int, expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        flicker(pan(3, 1)[:frames], lambda image: image)
