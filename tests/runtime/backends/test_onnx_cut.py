"""Cut graphs against the onnx package's own extractor."""

from __future__ import annotations

import numpy as np
import pytest

from unit_edge.errors import ModelError
from unit_edge.registry import resolve_model
from unit_edge.runtime.backends.onnx_cut import cut_out

onnx = pytest.importorskip("onnx", reason="needs the export extra")
ort = pytest.importorskip("onnxruntime")

ON_CPU = ["CPUExecutionProvider"]
CONTENT = resolve_model("day2night-edge-s").read_bytes()
SHAPE = (1, 3, "h", "w")


def test_the_part_is_the_one_that_onnx_itself_takes_out() -> None:
    made = onnx.load_model_from_string(cut_out(CONTENT, ("small", SHAPE), ("translated_small", SHAPE)))
    onnx.checker.check_model(made, full_check=True)
    whole = onnx.shape_inference.infer_shapes(onnx.load_model_from_string(CONTENT))
    expected = onnx.utils.Extractor(whole).extract_model(["small"], ["translated_small"])
    assert [n.SerializeToString() for n in made.graph.node] == [
        n.SerializeToString() for n in expected.graph.node
    ]
    assert {t.name: t.SerializeToString() for t in made.graph.initializer} == {
        t.name: t.SerializeToString() for t in expected.graph.initializer
    }
    assert made.opset_import == expected.opset_import
    x = np.random.default_rng(0).uniform(-1, 1, (1, 3, 32, 48)).astype(np.float32)
    given, wanted = (
        ort.InferenceSession(m.SerializeToString(), providers=ON_CPU).run(None, {"small": x})
        for m in (made, expected)
    )
    assert np.allclose(given[0], wanted[0], atol=1e-5)  # threads may add in another order
    assert [d.dim_param or d.dim_value for d in made.graph.input[0].type.tensor_type.shape.dim] == list(SHAPE)


@pytest.mark.parametrize(
    ("start", "end"),
    [("translated_small", "small"), ("small", "frame"), ("none", "small"), ("frame", "none")],
)
def test_what_does_not_follow_from_the_start_is_an_error(start: str, end: str) -> None:
    with pytest.raises(ModelError, match="export the model again"):
        cut_out(CONTENT, (start, SHAPE), (end, SHAPE))
