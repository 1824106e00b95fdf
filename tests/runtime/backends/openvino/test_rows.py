"""Whole rows of a frame in OpenVINO, against what OpenCV and the formulas give."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from unit_edge.frames import OVERSAMPLING

rows = pytest.importorskip("unit_edge.runtime.backends.openvino.rows")

SIZES = [((360, 640), (152, 272)), ((720, 1280), (152, 272)), ((1080, 1920), (152, 272)),
         ((517, 333), (236, 152)), ((32, 33), (152, 156)), ((152, 40), (152, 40)),
         ((640, 40), (2432, 152)), ((2000, 32), (152, 12))]  # fmt: skip
"""Height and width of frames and of what E and G would see of them; more, as many and fewer rows."""


def made(frame: tuple[int, int], small: tuple[int, int]) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(frame[0])
    maps = [rng.uniform(low, high, (*small, 3)).astype(np.float32) for low, high in ((-1, 3), (-99, 99))]
    return rng.integers(0, 256, (*frame, 3), dtype=np.uint8), *maps


def frame_rows(frame: tuple[int, int], small: tuple[int, int]) -> Any:
    return rows.RowPasses(rows.ov.Core(), frame, small, {"INFERENCE_NUM_THREADS": 1}).frame_rows()


@pytest.mark.parametrize(("frame", "small"), SIZES)
def test_a_row_is_the_mean_of_samples_between_those_of_the_frame(
    frame: tuple[int, int], small: tuple[int, int]
) -> None:
    pixels, *_ = made(frame, small)
    h, width = small[0], frame[1]
    samples = cv2.resize(pixels.astype(np.float32), (width, h * OVERSAMPLING))
    expected = samples.reshape(h, OVERSAMPLING, width, 3).mean(1)
    assert np.abs(frame_rows(frame, small).shrink(pixels) - expected).max() < 1e-2


@pytest.mark.parametrize(("frame", "small"), SIZES)
def test_enlarged_maps_are_applied_and_rounded_to_bytes(
    frame: tuple[int, int], small: tuple[int, int]
) -> None:
    pixels, a, b = made(frame, small)
    enlarged = [cv2.resize(each, frame[::-1]).astype(np.float64) for each in (a, b)]
    exact = np.clip(enlarged[0] * pixels + enlarged[1], 0, 255)
    one = frame_rows(frame, small)
    for _ in range(2):  # its memory is used again
        out = np.empty_like(pixels)
        one.apply(pixels, a, b, out)
        assert np.abs(out - exact).max() < 0.51
    assert out.min() == 0 and out.max() == 255, "nothing was beyond the bytes"
