"""A model that would keep a backend busy for hours is refused before it begins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="building test models needs the export extra")

from hostile_models import FRAME, Values, hostile, node

from unit_edge.errors import ModelError
from unit_edge.files.onnx_file import check_onnx
from unit_edge.files.onnx_limits import check_limits, costs
from unit_edge.files.onnx_work import MACS_AT_MOST
from unit_edge.registry import bundled_models
from unit_edge.runtime.backends.open import open_runner

ONES = {"w": np.ones((64, 64, 1, 1), np.float32), "few": np.ones((64, 3, 1, 1), np.float32)}
BY = {"by": np.array([1, 1, 16, 16], np.float32)}
LARGE = [*FRAME, node("Resize", "t", "", "by", "b")]
LONG: dict[str, tuple[list[Any], Values]] = {
    "thousands of convolutions": (
        [
            *FRAME,
            node("Conv", "t", "few", "c0"),
            *(node("Conv", f"c{i}", "w", f"c{i + 1}", pads=[6] * 4) for i in range(130)),
            node("Identity", "c130", "large"),
        ],
        {"few": ONES["few"], "w": np.ones((64, 64, 13, 13), np.float32)},
    ),
    "thousands of functions": (
        [*LARGE, *(node("Tanh", "b", f"x{i}") for i in range(500)), node("Max", "x0", "x499", "large")],
        BY,
    ),
    "wide pools": (
        [
            *LARGE,
            *(node("MaxPool", "b", f"p{i}", kernel_shape=[99] * 2, pads=[49] * 4) for i in range(20)),
            node("Identity", "p19", "large"),
        ],
        BY,
    ),
    "pools with gaps": (
        [*LARGE, node("MaxPool", "b", "large", kernel_shape=[25, 25], dilations=[3, 3])],
        BY,
    ),
    "cubic enlargements": (
        [
            *LARGE,
            *(node("Resize", "b", "", "more", f"x{i}", mode="cubic") for i in range(10)),
            node("Max", "x0", "x9", "large"),
        ],
        {**BY, "more": np.array([1, 1, 1.5, 1.5], np.float32)},
    ),
    "of what is stored alone": (
        [*(node("MatMul", "m", "m", f"x{i}") for i in range(30)), node("Identity", "x29", "large")],
        {"m": np.ones((2000, 2000), np.float32)},
    ),
}


@pytest.mark.parametrize("name", LONG)
def test_hours_of_work_are_refused_before_they_begin(name: str, write_model: Callable[..., Path]) -> None:
    model = hostile(write_model(), *LONG[name])
    check_onnx(model)
    check_limits(model, (1, 64, 80, 3), runs=False)
    with (
        pytest.raises(ModelError, match="its operations would take as long as") as caught,
        open_runner(model, backend="onnxruntime") as runner,
    ):
        runner.infer(np.zeros((1, 64, 80, 3), np.uint8))
    assert str(model) in str(caught.value) and "\n" not in str(caught.value)


def test_who_trusts_a_model_can_run_it(
    write_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    matrix = np.ones((3, 3), np.float32)
    work_of_many = [node("Tanh", "b", f"x{i}") for i in range(200)]
    model = hostile(
        write_model(), [*LARGE, *work_of_many, node("MatMul", "m", "m", "large")], {**BY, "m": matrix}
    )
    frames = np.full((1, 64, 80, 3), 7, np.uint8)
    with pytest.raises(ModelError, match="UNIT_EDGE_MODEL_LIMITS=off"):
        check_limits(model, frames.shape)
    monkeypatch.setenv("UNIT_EDGE_MODEL_LIMITS", "off")
    with open_runner(model, backend="onnxruntime") as runner:  # which leaves out what nothing depends on
        assert (runner.infer(frames) == 7).all()


def test_a_convolution_counts_as_its_definition_says(write_model: Callable[..., Path]) -> None:
    nodes = [*FRAME, node("Conv", "t", "few", "c"), node("Conv", "c", "w", "large", pads=[2] * 4)]
    values = {"few": ONES["few"], "w": np.ones((64, 64, 5, 5), np.float32)}
    frame = (1, 40, 50, 3)
    counted = list(costs(hostile(write_model(), nodes, values), frame))[-1][1]
    convolutions = 40 * 50 * (64 * 3 + 64 * 64 * 5 * 5)
    assert convolutions < counted < 2 * convolutions


def test_what_exists_is_far_from_the_limit() -> None:
    for path, _ in bundled_models():
        assert list(costs(path, (1, 32, 32, 3)))[-1][1] < MACS_AT_MOST / 10
        for shape in ((1, 32, 32, 3), (1, 2160, 3840, 3)):
            check_limits(path, shape)
