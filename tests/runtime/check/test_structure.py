"""SSIM against its formula written out, and the window whose structure a translation took away."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from unit_edge.runtime.check.boxes import Boxes
from unit_edge.runtime.check.found import Found
from unit_edge.runtime.check.pairs import Pair
from unit_edge.runtime.check.parts.structure import Structure, gradients, ssim


def textured(seed: int = 0) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    noise = np.random.default_rng(seed).uniform(60, 200, (36, 48))
    grey = cv2.resize(noise, (384, 288), interpolation=cv2.INTER_NEAREST)
    return np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)


def pair(before: np.ndarray, after: np.ndarray) -> Pair:  # type: ignore[type-arg]
    return Pair("a", "a.png", Path("a.png"), None, before, after)


def test_ssim_is_wangs_formula_at_a_pixel() -> None:
    rng = np.random.default_rng(1)
    a, b = (rng.uniform(0, 2, (40, 40)).astype(np.float32) for _ in range(2))
    line = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    weights = np.outer(line, line) / line.sum() ** 2
    x, y = a[15:26, 15:26].astype(float), b[15:26, 15:26].astype(float)
    mean_x, mean_y = (weights * x).sum(), (weights * y).sum()
    var_x, var_y = ((weights * (v - m) ** 2).sum() for v, m in ((x, mean_x), (y, mean_y)))
    both = (weights * (x - mean_x) * (y - mean_y)).sum()
    c1, c2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2
    expected = (2 * mean_x * mean_y + c1) * (2 * both + c2)
    expected /= (mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)
    assert ssim(a, b)[20, 20] == pytest.approx(expected, abs=1e-4)
    assert ssim(a, a).min() > 1 - 1e-5


def test_a_darker_picture_keeps_its_structure() -> None:
    image = textured()
    dark = (image * 0.4).astype(np.uint8)
    assert ssim(gradients(image), gradients(dark)).mean() > 0.9
    blurred = cv2.GaussianBlur(image, (0, 0), 6)
    assert ssim(gradients(image), gradients(np.asarray(blurred, np.uint8))).mean() < 0.5


def test_the_window_that_changed_is_found() -> None:
    image = textured()
    stripes = np.where(np.arange(96) // 6 % 2, 220, 30)  # more edges than elsewhere
    image[144:192, 96:192] = stripes[None, :, None]
    after = image.copy()
    after[144:192, 96:192] = cv2.GaussianBlur(image, (0, 0), 8)[144:192, 96:192]
    part = Structure(4)
    part.see(pair(image, image), None)
    part.see(pair(image, after), Found(Boxes.of([[100, 150, 180, 190]], [0.9], [0]), Boxes.of([], [], [])))
    answer = part.answer()
    worst = answer.figures["windows"][0]
    assert worst["ssim_of_gradients"] < 0.6 < answer.figures["windows"][1]["ssim_of_gradients"]
    assert abs(worst["top"] - 144) <= 24 and abs(worst["left"] - 96) <= 48
    (picture,) = answer.sections[0].pictures
    sheet = cv2.imdecode(np.frombuffer(picture.content, np.uint8), cv2.IMREAD_COLOR)
    assert sheet is not None and sheet.shape[1] >= 2 * 2 * 3 * 96


def test_pictures_smaller_than_a_window() -> None:
    part = Structure(2)
    image = textured()[:20, :30]
    part.see(pair(image, image), None)
    assert part.answer().figures["ssim_of_gradients"]["value"] == pytest.approx(1, abs=1e-3)
