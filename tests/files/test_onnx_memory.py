"""What a model's tensors would take is told, and too much refused, before a backend makes them."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unit_edge.errors import ModelError
from unit_edge.export.graph.inspect_onnx import inspect_onnx
from unit_edge.files.onnx_file import check_onnx
from unit_edge.files.onnx_graph import read_graph
from unit_edge.files.onnx_limits import check_limits, costs
from unit_edge.files.onnx_shapes import worked_out
from unit_edge.registry import bundled_models
from unit_edge.runtime.backends.open import open_runner

onnx = pytest.importorskip("onnx", reason="building test models needs the export extra")
from hostile_models import FRAME, Values, hostile, node  # noqa: E402
from onnx import TensorProto  # noqa: E402

PIXEL = np.zeros((1, 1, 1, 1), np.float32)
HOSTILE: dict[str, tuple[list[Any], Values]] = {
    "a pixel enlarged": (
        [node("Resize", "p", "", "by", "large")],
        {"p": PIXEL, "by": np.array([1, 1, 3e4, 3e4], np.float32)},
    ),
    "the frame enlarged": (
        [*FRAME, node("Resize", "t", "", "by", "large")],
        {"by": np.array([1, 1, 300, 300], np.float32)},
    ),
    "to sizes": (
        [*FRAME, node("Resize", "t", "", "", "sizes", "large")],
        {"sizes": np.array([1, 3, 20_000, 20_000], np.int64)},
    ),
    "an outer product": (
        [node("MatMul", "column", "row", "large")],
        {"column": np.ones((30_000, 1), np.float32), "row": np.ones((1, 30_000), np.float32)},
    ),
    "broadcast": (
        [node("Add", "column", "row", "large")],
        {"column": np.ones((30_000, 1), np.float32), "row": np.ones((1, 30_000), np.float32)},
    ),
    "edges": (
        [*FRAME, node("Pad", "t", "pads", "large")],
        {"pads": np.array([0, 0, 0, 0, 0, 0, 20_000, 20_000], np.int64)},
    ),
    "edges of a convolution": (
        [*FRAME, node("Conv", "t", "w", "large", pads=[10_000] * 4)],
        {"w": np.ones((1, 3, 1, 1), np.float32)},
    ),
    "a transposed convolution": (
        [*FRAME, node("ConvTranspose", "t", "w", "large", strides=[500, 500])],
        {"w": np.ones((3, 1, 1, 1), np.float32)},
    ),
    "values that are spread far": (
        [*FRAME, node("ConvTranspose", "t", "w", "large", strides=[8, 8])],
        {"w": np.ones((3, 16, 128, 128), np.float32)},
    ),
    "one picked a billion times": (
        [node("Gather", "few", "column", "a"), node("Gather", "a", "column", "large", axis=1)],
        {"few": np.ones((1, 1), np.float32), "column": np.zeros(30_000, np.int64)},
    ),
    "doubled thirty times": (
        [
            node("Cast", "frame", "x0", to=TensorProto.FLOAT),
            *(node("Concat", f"x{i}", f"x{i}", f"x{i + 1}", axis=1) for i in range(30)),
            node("Identity", "x30", "large"),
        ],
        {},
    ),
    "many at a time": (
        [
            *(node("Resize", "p", "", "by", f"x{i}") for i in range(40)),
            node("Max", *(f"x{i}" for i in range(40)), "large"),
        ],
        {"p": PIXEL, "by": np.array([1, 1, 2000, 2000], np.float32)},
    ),
    "by a size that is computed": (
        [
            *FRAME,
            node("Shape", "t", "s"),
            node("Mul", "s", "s", "s2"),
            node("Concat", "s2", "hundred", "s3", axis=0),
            node("Slice", "s3", "from", "to", "sizes"),
            node("Resize", "t", "", "", "sizes", "large"),
        ],
        {"hundred": np.array([10**9], np.int64), "from": np.array([1]), "to": np.array([5])},
    ),
}


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("name", HOSTILE)
def test_large_tensors_of_small_ones_are_refused_before_they_are_made(
    name: str, backend: str, write_model: Callable[..., Path]
) -> None:
    pytest.importorskip(backend)
    model = hostile(write_model(), *HOSTILE[name])
    check_onnx(model)
    frame = np.zeros((1, 64, 80, 3), np.uint8)
    with (
        pytest.raises(ModelError, match="its tensors would take") as caught,
        open_runner(model, backend=backend) as runner,
    ):
        runner.infer(frame)
    assert str(model) in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(ModelError, match="its tensors would take"):  # and before the package onnx does
        inspect_onnx(model, (80, 64))


@pytest.mark.parametrize(
    ("nodes", "values", "said"),
    [
        ([node("ReduceMax", "frame", "m"), node("Resize", "frame", "", "", "m", "large")], {}, "depend on"),
        (
            [*FRAME, node("Conv", "t", "w", "large")],
            {"w": np.ones((1, 4, 1, 1), np.float32)},
            "can't work on",
        ),
        ([*FRAME, node("Concat", "t", "p", "large", axis=9)], {"p": PIXEL}, "can't work on"),
        *(
            (
                [node("Cast", "frame", "i", to=TensorProto.INT32), node(operator, "i", "by", "large")],
                {"by": np.array(by, np.int32)},
                "whole numbers by 0 or -1",
            )
            for operator, by in (("Div", 0), ("Mod", 0), ("Div", -1), ("Div", [3, 0, 1]))
        ),
        (
            [node("Cast", "frame", "i", to=TensorProto.INT32), node("Mod", "i", "i", "large")],
            {},
            "depend on what the frame shows",
        ),
        (
            [node("Div", "least", "by", "large")],
            {"least": np.array([-(2**31)], np.int32), "by": np.array([-1], np.int32)},
            "by 0 or -1",
        ),
        (  # edges that take each other away again
            [*FRAME, node("Pad", "t", "pads", "large")],
            {"pads": np.array([0, 0, -(2**63), 0, 0, 0, 2**63 - 1, 0])},
            "Pad can't work on",
        ),
        (
            [*FRAME, node("Conv", "t", "w", "large", dilations=[2**31] * 2, pads=[2**31] * 4)],
            {"w": np.ones((1, 3, 3, 3), np.float32)},
            "Conv can't work on",
        ),
        *(
            ([*FRAME, node(operator, "t", "", "large")], {}, "can't work on")
            for operator in ("Conv", "ConvTranspose", "Gather", "Gemm", "MatMul")
        ),
        ([node("Reshape", "p", "to", "large")], {"p": PIXEL, "to": np.array([-1, -1])}, "can't work on"),
    ],
)
def test_what_cant_be_told_is_refused(
    nodes: list[Any], values: Values, said: str, write_model: Callable[..., Path]
) -> None:
    model = hostile(write_model(), nodes, values)
    with pytest.raises(ModelError, match=said):
        check_limits(model, (1, 64, 80, 3))


@pytest.mark.parametrize("size", [(32, 32), (100, 70), (1920, 1080)])
def test_every_shape_is_the_one_that_the_package_onnx_works_out(size: tuple[int, int]) -> None:
    from unit_edge.export.graph.graph import load_onnx, resolve

    width, height = size
    path = next(path for path, _ in bundled_models())
    expected = resolve(load_onnx(path), size)
    made = {
        name: tensor
        for _, _, tensors in worked_out(read_graph(path), (1, height, width, 3))
        for name, tensor in tensors.items()
    }
    compared = [name for name in made if name in expected.tensors]
    assert len(compared) > 50
    for name in compared:
        assert made[name].shape == expected.tensors[name].shape, name
        assert made[name].bytes == expected.tensors[name].bytes, name


def test_the_most_at_once_by_hand(write_model: Callable[..., Path]) -> None:
    """The caller's frame, its floats, and 255 minus these."""
    assert list(costs(write_model("invert"), (1, 10, 20, 3)))[-1][0] == 600 * (1 + 4 + 4)
    for path, _ in bundled_models():
        for shape in ((1, 32, 32, 3), (1, 2160, 3840, 3)):
            check_limits(path, shape)


def test_changed_bytes_are_refused_or_pass(write_model: Callable[..., Path]) -> None:
    model = write_model("fails")
    content = model.read_bytes()
    draw = random.Random(0)
    for _ in range(3000):
        at = draw.randrange(len(content))
        model.write_bytes(content[:at] + bytes([draw.choice((0, 1, 0x7F, 0x80, 0xFF))]) + content[at + 1 :])
        try:
            check_onnx(model)
            check_limits(model, (1, 32, 32, 3))
        except ModelError as error:
            assert "\n" not in str(error)
