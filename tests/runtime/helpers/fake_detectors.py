"""A detector whose boxes are known and whose confidence a test paints into the picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest


def bright_detector(path: Path) -> Path:
    """A detector of 96x64 pictures, which gives float[1,2,6] as with NMS in the graph.

    Its two boxes are known places, and their confidence is the green value of the pixel in their middle:
    (8,8)-(40,40) is "car", (60,20)-(80,60) is "person".
    """
    onnx = pytest.importorskip("onnx", reason="building test detectors needs the export extra")
    from onnx import TensorProto, helper, numpy_helper

    boxes = np.array([[8, 8, 40, 40], [60, 20, 80, 60]], np.float32)
    ids = np.array([[1], [0]], np.float32)
    middles = np.array([[0, 1, 24, 24], [0, 1, 40, 70]], np.int64)  # batch, channel, y, x
    constants = {"boxes": boxes, "ids": ids, "middles": middles, "column": np.array([1], np.int64)}
    constants["batch"] = np.array([0], np.int64)
    nodes = [
        helper.make_node("GatherND", ["images", "middles"], ["values"]),
        helper.make_node("Unsqueeze", ["values", "column"], ["scores"]),
        helper.make_node("Concat", ["boxes", "scores", "ids"], ["rows"], axis=1),
        helper.make_node("Unsqueeze", ["rows", "batch"], ["output0"]),
    ]
    graph = helper.make_graph(
        nodes,
        "bright",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 64, 96])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, [1, 2, 6])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, {"names": "{0: 'person', 1: 'car'}"})
    onnx.save(model, path)
    return path
