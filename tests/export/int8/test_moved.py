"""The second gate of int8: how far the kernel distance to any set of images can change."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from unit_edge.errors import VerifyError
from unit_edge.export import verify
from unit_edge.export.int8 import choice
from unit_edge.export.int8.moved import Moved, distance
from unit_edge.export.scenes import synthetic_scene
from unit_edge.export.to_onnx import Exported, Int8, export_run
from unit_edge.export.trained import load_run
from unit_edge.runtime.backends.open import open_runner


def monomials(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """What (x * y + 1)^3 is the product of, for numbers x and y."""
    return np.hstack([np.ones_like(x), np.sqrt(3) * x, np.sqrt(3) * x**2, x**3])


def test_it_is_the_distance_between_the_means_of_the_kernels_own_features() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(0, 1, (40, 1)), rng.normal(0.7, 2, (25, 1))
    assert distance(a, b) == pytest.approx(np.linalg.norm(monomials(a).mean(0) - monomials(b).mean(0)))
    assert distance(a, a) == 0


def test_what_int8_moves_bounds_the_change_to_any_target() -> None:
    rng = np.random.default_rng(0)
    fp32 = rng.normal(0, 1, (30, 16))
    int8 = fp32 + rng.normal(0.1, 0.3, fp32.shape)
    for _ in range(20):
        target = rng.normal(rng.normal(0, 1, 16), 1, (50, 16))
        assert abs(distance(int8, target) - distance(fp32, target)) <= distance(int8, fp32)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    for number in range(4):
        cv2.imwrite(str(folder / f"{number}.png"), synthetic_scene(96, 64, 1 - 0.1 * number, number))
    return folder


def test_the_same_frames_are_not_moved(exported: Exported, run: Path) -> None:
    pytest.importorskip("efficientnet_lite_pytorch", reason="needs the imagenet extra")
    trained = load_run(run)
    translator = verify.translator_for(exported.manifest, trained)
    moved = Moved(translator, [synthetic_scene(96, 64, 1.0, number) for number in range(3)])
    with open_runner(exported.model, "onnxruntime") as runner:
        assert moved.by(runner) < 0.02


def test_too_far_is_refused_and_names_layers(
    run: Path, scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("efficientnet_lite_pytorch", reason="needs the imagenet extra")
    int8 = Int8(scenes, skip=("encoder.1", "generator"))  # the other layers are tried one by one
    for module in (choice, verify):
        monkeypatch.setattr(module, "MOST", 1e-6)
    with pytest.raises(
        VerifyError, match=r"by \d+% of their way .*; most is lost in \S+ \(\d+\.\d dB alone\)"
    ):
        export_run(run, "night", output=tmp_path, precision="int8", int8=int8)
    assert list(tmp_path.iterdir()) == []


def test_without_the_features_it_is_not_claimed(
    run: Path, scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    made = export_run(run, "night", output=tmp_path, precision="int8", int8=Int8(scenes))
    assert made.manifest.int8["moved"] is None
