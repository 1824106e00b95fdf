"""Four small convolutions against the enlarged image's one, which PyTorch computes."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import helper, numpy_helper
from torch import nn
from torch.nn import functional as F

from unit_edge.export.graph.upsampling import with_small_upsampling


def graph(weight: np.ndarray, bias: np.ndarray, *, pads: int = 1, mode: str = "nearest") -> bytes:
    nodes = [
        helper.make_node(
            "Resize", ["x", "", "scales"], ["up"], mode=mode,
            coordinate_transformation_mode="asymmetric", nearest_mode="floor",
        ),
        helper.make_node("Conv", ["up", "g.1.weight", "g.1.bias"], ["sum"], pads=[pads] * 4),
        helper.make_node("LeakyRelu", ["sum"], ["y"], alpha=0.2),
    ]  # fmt: skip
    tensors = {"g.1.weight": weight, "g.1.bias": bias, "scales": np.array([1, 1, 2, 2], np.float32)}
    made = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", 1, [1, weight.shape[1], "h", "w"])],
        [helper.make_tensor_value_info("y", 1, [1, weight.shape[0], "a", "b"])],
        [numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return bytes(model.SerializeToString())


def test_it_is_the_convolution_of_the_enlarged_image_borders_included() -> None:
    torch.manual_seed(0)
    layer, x = nn.Conv2d(5, 7, 3, padding=1), torch.randn(1, 5, 6, 9)
    with torch.inference_mode():
        expected = F.leaky_relu(layer(F.interpolate(x, scale_factor=2, mode="nearest")), 0.2).numpy()
    assert layer.bias is not None
    content = with_small_upsampling(graph(layer.weight.detach().numpy(), layer.bias.detach().numpy()))
    model = onnx.load_model_from_string(content)
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    assert len(convolutions) == 4 and not [n for n in model.graph.node if n.op_type == "Resize"]
    stored = {t.name: list(t.dims) for t in model.graph.initializer}
    assert all(stored[node.input[1]] == [7, 5, 2, 2] for node in convolutions)
    session = ort.InferenceSession(content, providers=["CPUExecutionProvider"])
    assert np.allclose(session.run(None, {"x": x.numpy()})[0], expected, atol=1e-5)


@pytest.mark.parametrize("other", [{"pads": 0}, {"mode": "linear"}])
def test_other_graphs_stay_as_they_are(other: dict[str, object]) -> None:
    content = graph(np.ones((2, 2, 3, 3), np.float32), np.zeros(2, np.float32), **other)  # type: ignore[arg-type]
    assert with_small_upsampling(content) == content
