"""Files with the guided head at full HD, portrait and odd sizes: ONNX Runtime and OpenVINO against PyTorch.

The same file of each precision takes every size, so OpenVINO's dynamic shapes are covered too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from unit_edge.config import Detail
from unit_edge.export.scenes import synthetic_scene
from unit_edge.export.to_onnx import Exported, Int8, export_run
from unit_edge.export.trained import load_run
from unit_edge.export.translator import Translator
from unit_edge.export.verify import TOLERANCES, translator_for
from unit_edge.runtime.backends.open import open_runner
from unit_edge.train.guided import GuidedHead

Image = NDArray[np.uint8]

SIZES = [(1920, 1080), (1080, 1920), (641, 359)]


def night() -> Image:
    """Dark, nearly flat and noisy: its variances are small differences E[x²] - E[x]² of values near 1."""
    rows, columns = np.mgrid[:144, :256]
    grey = 6 + 4 * columns / 256 + np.random.default_rng(0).normal(0, 2, rows.shape)
    return np.asarray(np.repeat(grey[:, :, None], 3, 2).clip(0, 255).round(), np.uint8)


@pytest.fixture(scope="module")
def frames() -> list[Image]:
    """A scene of each size."""
    return [synthetic_scene(width, height, 0.9, seed) for seed, (width, height) in enumerate(SIZES)]


@pytest.fixture(scope="module", params=["fp32", "fp16", "int8"])
def model(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    run: Path,
    exported: Exported,
    frames: list[Image],
) -> Exported:
    """The edge-s run's day to night, for frames of any size."""
    if request.param == "fp32":
        return exported
    folder = tmp_path_factory.mktemp("sizes")
    int8 = None
    if request.param == "int8":
        for number, frame in enumerate([*frames, night()]):
            small = cv2.resize(frame, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
            assert cv2.imwrite(str(folder / f"{number}.png"), small)
        int8 = Int8(folder)
    return export_run(run, "night", output=folder, precision=request.param, int8=int8)


@pytest.fixture(scope="module")
def translate_openvino() -> Callable[[Path, list[Image]], list[Image]]:
    """Runs a file on OpenVINO's CPU device, compiled once."""
    # importing openvino would send its makers a report of it over the network
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    openvino: Any = pytest.importorskip("openvino", reason="needs the openvino extra")

    def translate(path: Path, images: list[Image]) -> list[Image]:
        core = openvino.Core()
        # by itself it computes in bf16 where the CPU can: the head's variances are lost, or it never returns
        hints = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
        compiled = core.compile_model(str(path), "CPU", hints)
        return [np.array(compiled(image[None])[0])[0] for image in images]

    return translate


def assert_close(given: Image, expected: Image, precision: str) -> None:
    assert given.dtype == np.uint8 and given.shape == expected.shape
    levels = np.abs(given.astype(np.int16) - expected)
    assert levels.max() <= TOLERANCES[precision].max_levels
    mse = max(float((levels.astype(np.float64) ** 2).mean()), 1e-12)
    assert 10 * np.log10(255**2 / mse) >= TOLERANCES[precision].psnr_db


def expected_of(model: Exported, run: Path, image: Image) -> Image:
    translator = translator_for(model.manifest, load_run(run))
    with torch.inference_mode():
        return np.asarray(translator(torch.from_numpy(image[None])).numpy()[0])


@pytest.mark.slow
def test_onnx_runtime_at_every_size(model: Exported, run: Path, frames: list[Image]) -> None:
    with open_runner(model.model, "onnxruntime") as runner:
        for frame in frames:
            given = runner.infer(frame[None])[0]
            assert_close(given, expected_of(model, run, frame), model.manifest.precision)


def test_openvino_at_every_size(
    model: Exported, run: Path, frames: list[Image], translate_openvino: Callable[..., list[Image]]
) -> None:
    for frame, given in zip(frames, translate_openvino(model.model, frames), strict=True):
        assert_close(given, expected_of(model, run, frame), model.manifest.precision)


def test_a_dark_flat_frame_keeps_its_variances(
    model: Exported, run: Path, translate_openvino: Callable[..., list[Image]]
) -> None:
    expected = expected_of(model, run, night())
    (given,) = translate_openvino(model.model, [night()])
    assert_close(given, expected, model.manifest.precision)
    with open_runner(model.model, "onnxruntime") as runner:
        assert_close(runner.infer(night()[None])[0], expected, model.manifest.precision)


@pytest.mark.parametrize("bits", [11, 8], ids=["fp16 or TF32", "bf16"])
def test_fewer_bits_would_lose_them(run: Path, bits: int) -> None:
    """The night through box filters of rounded images differs by what no tolerance allows."""

    class Rounded(GuidedHead):
        def mean(self, x: torch.Tensor) -> torch.Tensor:
            mantissa, exponent = torch.frexp(x)
            return super().mean(torch.ldexp((mantissa * 2**bits).round() / 2**bits, exponent))

    translator = Translator(load_run(run).unit, 0, (Detail(), 32))
    assert translator.shrink is not None
    frame = torch.from_numpy(night()[None]).float().permute(0, 3, 1, 2)
    with torch.inference_mode():
        small = translator.shrink(frame)
        translated = translator.translate(small)
        exact, rounded = (
            head(frame, small, translated) for head in (GuidedHead(Detail()), Rounded(Detail()))
        )
    assert (rounded - exact).abs().max() > 2 * TOLERANCES["fp16"].max_levels
