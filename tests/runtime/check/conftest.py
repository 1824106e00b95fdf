"""Hand-made detectors: ONNX graphs whose outputs are known, whatever the picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from fake_detectors import bright_detector
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]


@pytest.fixture(scope="session")
def networks() -> Path:
    """Real networks: shared/models beside the checkout."""
    folder = Path(__file__).resolve().parents[4] / "shared" / "models"
    if not folder.is_dir():
        pytest.skip("needs the real networks in shared/models beside the checkout")
    return folder


@pytest.fixture
def write_constant(tmp_path: Path) -> Callable[..., Path]:
    """write_constant(outputs, size=(W, H), ...) → a network that gives these arrays for any picture.

    `shape` and `dtype` are of its input; `metadata` is what ultralytics' exports carry.
    """
    onnx = pytest.importorskip("onnx", reason="building test detectors needs the export extra")
    from onnx import TensorProto, helper, numpy_helper

    def write(
        outputs: Arrays,
        size: tuple[int, int] = (128, 128),
        *,
        name: str = "detector",
        shape: Sequence[int | str] | None = None,
        dtype: int = TensorProto.FLOAT,
        metadata: dict[str, str] | None = None,
        more_inputs: Sequence[Any] = (),
    ) -> Path:
        dims = list(shape or (1, 3, size[1], size[0]))
        constants = [numpy_helper.from_array(array, f"{key}_value") for key, array in outputs.items()]
        nodes = [helper.make_node("Identity", [f"{key}_value"], [key]) for key in outputs]
        graph = helper.make_graph(
            nodes,
            "detector",
            [helper.make_tensor_value_info("images", dtype, dims), *more_inputs],
            [
                helper.make_tensor_value_info(key, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
                for key, a in outputs.items()
            ],
            constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        helper.set_model_props(model, metadata or {})
        path = tmp_path / f"{name}.onnx"
        onnx.save(model, path)
        return path

    return write


@pytest.fixture
def bright(tmp_path: Path) -> Path:
    """See `fake_detectors.bright_detector`."""
    return bright_detector(tmp_path / "bright.onnx")
