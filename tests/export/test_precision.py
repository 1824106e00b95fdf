"""fp16 files: half precision where it is safe, and frames that stay the same to the eye."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
import torch
from onnx import TensorProto

from unit_edge.errors import ConfigError, VerifyError
from unit_edge.export.to_onnx import Exported, export_run
from unit_edge.manifests.model import Manifest
from unit_edge.train.run.checkpoint import load_run_config, load_weights, save_weights


@pytest.fixture(scope="module", params=["edge-s", "paper", "released"])
def half(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, write_run: Callable[..., Path]
) -> Exported:
    """Each preset's day to night in fp16, with the head and a margin, for frames of any size."""
    folder = tmp_path_factory.mktemp("half")
    run = write_run(folder / "run", request.param)
    return export_run(run, "night", output=folder, precision="fp16", margin=4)


def test_frames_are_those_of_the_checkpoint(half: Exported) -> None:
    assert half.report.frames == 3
    assert half.report.max_levels <= 3
    assert half.report.psnr_db > 60
    assert half.manifest.precision == "fp16"
    own = "run" if half.manifest.preset == "edge-s" else half.manifest.preset  # the other is a bundled name
    assert half.model.name == f"day2night-{own}-fp16.onnx"
    assert Manifest.read(half.model.with_suffix(".json")) == half.manifest
    assert half.manifest.input.dtype == half.manifest.output.dtype == "uint8"


def test_which_layers_are_half(half: Exported) -> None:
    """All of E and G; not the normalisations, nor the head and the shrinking, whose weights are fixed."""
    graph = onnx.shape_inference.infer_shapes(onnx.load(half.model)).graph
    types = {value.name: value.type.tensor_type.elem_type for value in (*graph.value_info, *graph.input)}
    types |= {tensor.name: tensor.data_type for tensor in graph.initializer}
    groups = {
        node.output[0]: next((a.i for a in node.attribute if a.name == "group"), 1) for node in graph.node
    }
    learned = [n for n in graph.node if n.op_type in ("Conv", "ConvTranspose") and groups[n.output[0]] == 1]
    halves = [n for n in learned if types[n.input[0]] == TensorProto.FLOAT16]
    (shrink,) = (n for n in learned if n not in halves)
    assert types[shrink.input[0]] == TensorProto.FLOAT
    assert len(halves) >= 12
    assert all(types[name] == TensorProto.FLOAT16 for n in halves for name in (*n.input, *n.output))
    others = [n for n in graph.node if n.op_type == "InstanceNormalization" or groups[n.output[0]] > 1]
    assert any(n.op_type == "InstanceNormalization" for n in others) == (half.manifest.preset == "released")
    assert all(types[name] == TensorProto.FLOAT for n in others for name in (*n.input, *n.output))


def test_half_the_size(exported: Exported, run: Path, tmp_path: Path) -> None:
    model = export_run(run, "night", output=tmp_path, precision="fp16").model
    weights = [sum(len(t.raw_data) for t in onnx.load(m).graph.initializer) for m in (model, exported.model)]
    assert weights[0] < 0.7 * weights[1]  # the head's boxes stay in fp32


def test_what_fp16_can_not_hold_is_refused(run: Path, tmp_path: Path, write_run: Callable[..., Path]) -> None:
    """Values between two layers that exceed 65504, though what comes out of the second doesn't."""
    large = write_run(tmp_path / "large")
    unit = load_weights(large, load_run_config(large))
    first, second = unit.encoders[0][0], unit.encoders[0][2]
    assert isinstance(first, torch.nn.Conv2d) and isinstance(second, torch.nn.Conv2d)
    with torch.no_grad():
        for value in (first.weight, first.bias):
            assert value is not None
            value.mul_(1e5)
        second.weight.mul_(1e-5)
    save_weights(large, unit, 1)
    assert export_run(large, "night", output=tmp_path / "fp32.onnx").report.max_levels <= 1
    with pytest.raises(VerifyError, match=r"at most 3 levels; export it again, or as fp32"):
        export_run(large, "night", output=tmp_path / "fp16.onnx", precision="fp16")
    assert not (tmp_path / "fp16.onnx").exists()


def test_unknown_precisions(run: Path) -> None:
    with pytest.raises(ConfigError, match="precision = 'fp8', expected one of fp32, fp16"):
        export_run(run, "night", precision="fp8")
