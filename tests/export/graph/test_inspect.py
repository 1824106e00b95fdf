"""Counts of a graph against sums by hand, PyTorch and ONNX Runtime; and what a file is said to be."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from commands import cli_output as cli
from onnx import TensorProto, helper, numpy_helper

from unit_edge.cli.subjects.inspection import inspect_file
from unit_edge.config import Detail, RunConfig
from unit_edge.errors import ModelError
from unit_edge.export.graph.costs import activations_bytes, costs_at, count_costs, layers, traffic_bytes
from unit_edge.export.graph.graph import resolve
from unit_edge.export.scenes import synthetic_scene
from unit_edge.export.to_onnx import Exported, export_run
from unit_edge.export.translator import OVERSAMPLING
from unit_edge.manifests.model import Manifest, sha256_of
from unit_edge.registry import bundled_models
from unit_edge.train.bench.dry_run import count_parameters, estimate, one_direction
from unit_edge.train.networks import UNIT
from unit_edge.train.step import Adversaries

FLOAT = TensorProto.FLOAT


def model_of(
    nodes: list[Any],
    weights: dict[str, tuple[int, ...]],
    size: tuple[int | str, int | str] = (12, 16),
    dtype: type = np.float32,
) -> Any:
    """A model that takes frames of height and width `size` as "x", uint8 made NCHW float."""
    before = [
        helper.make_node("Cast", ["frame"], ["cast"], to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype))),
        helper.make_node("Transpose", ["cast"], ["x"], perm=[0, 3, 1, 2]),
    ]
    frame = helper.make_tensor_value_info("frame", TensorProto.UINT8, [1, *size, 3])
    last = helper.make_tensor_value_info("y", helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), None)
    stored = [numpy_helper.from_array(np.zeros(shape, dtype), name) for name, shape in weights.items()]
    graph = helper.make_graph(before + nodes, "test", [frame], [last], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def node(kind: str, *inputs: str, to: str = "y", **attributes: Any) -> Any:
    return helper.make_node(kind, list(inputs), [to], **attributes)


@pytest.mark.parametrize(
    ("nodes", "weights", "macs", "parameters"),
    [
        # an output of 12x16, each value a sum over 3 channels of 3x3
        ([node("Conv", "x", "w", "b", pads=[1] * 4)], {"w": (8, 3, 3, 3), "b": (8,)}, 192 * 8 * 27, 224),
        # an output of 6x8
        ([node("Conv", "x", "w", pads=[1] * 4, strides=[2, 2])], {"w": (8, 3, 3, 3)}, 48 * 8 * 27, 216),
        # no padding, spread out to 5x5: an output of 8x12
        ([node("Conv", "x", "w", dilations=[2, 2])], {"w": (8, 3, 3, 3)}, 96 * 8 * 27, 216),
        # depthwise: each output channel sees one input channel
        ([node("Conv", "x", "w", group=3, pads=[1] * 4)], {"w": (3, 1, 3, 3)}, 192 * 3 * 9, 27),
        # each of the 192 x 3 input values is spread over 5 channels of 3x3
        (
            [node("ConvTranspose", "x", "w", "b", strides=[2, 2])],
            {"w": (3, 5, 3, 3), "b": (5,)},
            192 * 3 * 45,
            140,
        ),
        # rows of 16 values times 16x7, for 3 channels of 12 rows
        ([node("MatMul", "x", "w")], {"w": (16, 7)}, 3 * 12 * 16 * 7, 112),
    ],
    ids=["conv", "strided", "dilated", "depthwise", "transposed", "matmul"],
)
def test_layers_by_hand(nodes: list[Any], weights: dict[str, Any], macs: int, parameters: int) -> None:
    costs = count_costs(model_of(nodes, weights))
    assert [(at.frame_size, at.macs) for at in costs.at] == [((16, 12), macs)]
    assert (costs.parameters, costs.weights_bytes) == (parameters, 4 * parameters)


def test_gemm_by_hand() -> None:
    """A of 36x16 or, transposed, 16x36 from 3 channels of 12x16."""
    shape = numpy_helper.from_array(np.array([36, 16]), "shape")
    for transposed, side, macs in ((0, 16, 36 * 16 * 7), (1, 36, 16 * 36 * 7)):
        nodes = [node("Reshape", "x", "shape", to="a"), node("Gemm", "a", "w", "b", transA=transposed)]
        model = model_of(nodes, {"w": (side, 7), "b": (7,)})
        model.graph.initializer.append(shape)
        assert count_costs(model).at[0].macs == macs


CONVOLUTION = [node("Conv", "x", "w", pads=[1] * 4)]


def test_a_size_of_its_own_or_the_one_that_is_asked_for() -> None:
    free = model_of(CONVOLUTION, {"w": (8, 3, 3, 3)}, ("height", "width"))
    assert [at.frame_size for at in count_costs(free).at] == [(640, 480), (1280, 720), (1920, 1080)]
    assert costs_at(resolve(free, (32, 24))).macs == 32 * 24 * 8 * 27
    fixed = model_of(CONVOLUTION, {"w": (8, 3, 3, 3)})
    assert resolve(fixed, (16, 12)).frame_size == (16, 12)
    with pytest.raises(ModelError, match="takes frames of 16x12, not 32x24"):
        resolve(fixed, (32, 24))


def test_precision_is_that_of_the_stored_weights() -> None:
    half = model_of(CONVOLUTION, {"w": (8, 3, 3, 3)}, dtype=np.float16)
    assert [layer.precision for layer in layers(resolve(half))] == ["fp16"]
    stored = numpy_helper.from_array(np.zeros((8, 3, 3, 3), np.int8), "q")
    scale = numpy_helper.from_array(np.float32(0.1), "scale")
    eight = model_of([node("DequantizeLinear", "q", "scale", to="w"), *CONVOLUTION], {})
    eight.graph.initializer.extend([stored, scale])
    (layer,) = layers(resolve(eight))
    assert (layer.name, layer.precision, layer.parameters, layer.macs) == ("q", "int8", 216, 192 * 8 * 27)


# frame 576 bytes, x 2304; a, b, c: 8 channels of 12x16, 6144 bytes each; y 6144
CHAIN = [
    node("Conv", "x", "v", to="a", pads=[1] * 4),
    node("Relu", "a", to="b"),
    node("Conv", "b", "w", to="c", pads=[1] * 4),
    node("Add", "b", "c"),
]
WEIGHTS = {"v": (8, 3, 3, 3), "w": (8, 8, 3, 3)}


def test_activations_by_hand() -> None:
    """At the worst, b, c and y live."""
    assert activations_bytes(resolve(model_of(CHAIN, WEIGHTS))) == 3 * 6144


def test_traffic_by_hand() -> None:
    """Cast, Transpose: frame in, x out. Conv, Relu: x, v in, b out. Conv, Add: b, w in, y out."""
    expected = (576 + 2304) + (2304 + 864 + 6144) + (6144 + 2304 + 6144)
    assert traffic_bytes(resolve(model_of(CHAIN, WEIGHTS))) == expected


def test_traffic_of_int8_is_that_of_bytes() -> None:
    """Conv, Q and DQ are one group that writes 1536 bytes; the next reads them."""
    quantised = [
        node("Conv", "x", "v", to="a", pads=[1] * 4),
        node("QuantizeLinear", "a", "s", "z", to="q"),
        node("DequantizeLinear", "q", "s", "z", to="b"),
        node("Conv", "b", "w", pads=[1] * 4),
    ]
    model = model_of(quantised, WEIGHTS)
    model.graph.initializer.append(numpy_helper.from_array(np.float32(0.1), "s"))
    model.graph.initializer.append(numpy_helper.from_array(np.int8(0), "z"))
    scale_and_zero = 4 + 1
    expected = (576 + 2304) + (2304 + 864 + scale_and_zero + 1536) + (1536 + 2304 + 6144)
    assert traffic_bytes(resolve(model)) == expected


@pytest.mark.slow
def test_paper_s_networks_take_what_training_says(
    tmp_path: Path, write_run: Callable[..., Path], config_of: Callable[[str], RunConfig]
) -> None:
    config = config_of("paper")
    run = write_run(tmp_path / "run", "paper")
    made = export_run(run, "night", output=tmp_path / "m.onnx", detail="none", frame_size=config.data.crop)
    by_torch = estimate(config)
    costs = made.manifest.costs
    assert costs is not None
    assert [(at.frame_size, at.macs) for at in costs.at] == [(config.data.crop, by_torch.translation_macs)]
    assert costs.parameters == one_direction(by_torch.parameters)


@pytest.mark.slow
def test_an_edge_model_takes_that_and_the_guided_head(
    exported: Exported, config_of: Callable[[str], RunConfig]
) -> None:
    """For a frame of 64x64, E and G see 32x32, as in training; the rest is shrinking and four box filters.

    Two layers of 8 to 8 and 8 to 6 channels see upsampled images: 16 products instead of 36 for four pixels.
    """
    r, side = Detail().radius, 32
    shrink = side**2 * 3 * 3 * OVERSAMPLING**2
    boxes = (12 + 6) * (2 * r + 1) * (side * (side + 2 * r) + side**2)
    by_torch = estimate(config_of("edge-s"))
    graph = resolve(onnx.load(exported.model), (64, 64))
    saved = (9 - 4) * (16**2 * 8 * 8 + 32**2 * 8 * 6)
    more = (16 - 9) * (8 * 8 + 8 * 6) + 3 * (8 + 6)
    assert costs_at(graph).macs == by_torch.translation_macs + shrink + boxes - saved
    head = 3 * 3 * OVERSAMPLING**2 + 3 + 2 * (12 + 6) * (2 * r + 1)
    assert (
        sum(layer.parameters for layer in layers(graph)) == one_direction(by_torch.parameters) + head + more
    )


@pytest.mark.parametrize("size", [(131, 75), (48, 400)], ids=str)
def test_shapes_are_those_that_onnx_runtime_computes(exported: Exported, size: tuple[int, int]) -> None:
    model = onnx.load(exported.model)
    graph = resolve(model, size)
    wanted = [name for one in graph.nodes for name in one.output]
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    frame = synthetic_scene(*size, 1.0, 0)[None]
    for name, value in zip(wanted, session.run(wanted, {"frame": frame}), strict=True):
        assert (graph.tensors[name].shape, graph.tensors[name].bytes) == (value.shape, value.nbytes), name


@pytest.mark.parametrize("model", [path for path, _ in bundled_models()], ids=lambda path: path.stem)
def test_bundled_manifests_have_the_costs_of_their_files(model: Path) -> None:
    assert Manifest.read(model.with_suffix(".json")).costs == count_costs(onnx.load(model))


def test_a_model_is_described(exported: Exported) -> None:
    report = inspect_file(exported.model, (64, 64))
    assert report["kind"] == "ONNX model"
    assert report["inputs"] == ["frame: uint8[1,?,?,3]"] and report["outputs"] == [
        "translated: uint8[1,?,?,3]"
    ]
    assert report["sha256"] == exported.manifest.sha256
    assert report["metadata"]["target"] == "night"
    assert report["operators"]["Conv"] == len(report["layers"]) == report["precisions"]["fp32"]
    assert report["costs"]["frame_size"] == "64x64"
    assert report["costs"]["macs"] == sum(layer["macs"] for layer in report["layers"])
    assert report["manifest"]["file"] == "matches"
    assert report["manifest"]["made_from"]["step"] == 1234


def copied(exported: Exported, folder: Path) -> Path:
    for suffix in (".onnx", ".json"):
        shutil.copy(exported.model.with_suffix(suffix), folder / f"m{suffix}")
    return folder / "m.onnx"


def test_a_manifest_that_does_not_match_or_is_missing(exported: Exported, tmp_path: Path) -> None:
    path = copied(exported, tmp_path)
    model = onnx.load(path)
    model.graph.name = "another"
    onnx.save(model, path)
    assert inspect_file(path)["manifest"]["file"] == "differs: another sha256"
    assert inspect_file(path.with_suffix(".json"))["model"] == "differs: another sha256"
    path.with_suffix(".json").unlink()
    assert inspect_file(path)["manifest"] == "no m.json beside it"


def test_a_manifest_is_described(exported: Exported, tmp_path: Path) -> None:
    path = copied(exported, tmp_path)
    report = inspect_file(path.with_suffix(".json"))
    assert (report["kind"], report["model"]) == ("manifest of a model", "matches")
    assert report["input"] == "frame: uint8[1,?,?,3]" and report["target"] == "night"
    path.unlink()
    assert inspect_file(path.with_suffix(".json"))["model"] == "missing: no m.onnx beside it"


def test_a_run_is_described(run: Path, config_of: Callable[[str], RunConfig]) -> None:
    config = config_of("edge-s")
    counted = count_parameters(UNIT(config.network), Adversaries(config))
    report = inspect_file(run)
    assert (report["kind"], report["domains"], report["preset"]) == (
        "training run",
        "day and night",
        "edge-s",
    )
    assert report["weights"]["step"] == 1234
    assert report["weights"]["parameters"] == {k: v for k, v in counted.items() if not k.startswith("D")}
    assert (report["best"], report["checkpoints"]) == ("none yet", [])
    alone = inspect_file(run / "weights.safetensors")
    assert alone["kind"] == "weights of a training run"
    assert alone["parameters"] == report["weights"]["parameters"]
    assert inspect_file(run / "config.json")["kind"] == "settings of a training run"


def test_a_checkpoint_is_described(run: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = {f"unit.{name}": value for name, value in load_file(run / "weights.safetensors").items()}
    tensors["adversaries.x"] = tensors["unit.encoders.0.0.bias"].clone()
    save_file(tensors, tmp_path / "training.safetensors")
    (tmp_path / "state.json").write_text('{"version": 1, "step": 77}')
    report = inspect_file(tmp_path)
    assert (report["kind"], report["step"]) == ("checkpoint of a training run", 77)
    assert report["parameters"] == {
        **inspect_file(run)["weights"]["parameters"],
        "others": len(tensors["adversaries.x"]),
    }


def test_an_engine_is_compared_with_its_manifest(tmp_path: Path) -> None:
    engine, beside = tmp_path / "m.orin.10.3.0.engine", tmp_path / "m.orin.10.3.0.json"
    engine.write_bytes(b"engine")
    beside.write_text(json.dumps({"sha256": sha256_of(engine), "tensorrt": "10.3.0", "gpu": "Orin"}))
    for path in (engine, beside):
        report = inspect_file(path)
        assert (report["kind"], report["manifest"], report["gpu"]) == ("engine", "matches", "Orin")
    engine.write_bytes(b"another engine")
    assert inspect_file(engine)["manifest"] == "differs: another sha256"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("notes.txt", b"hello", "none of ours: no manifest notes.json"),
        ("m.engine", b"engine", "none of ours: no manifest m.json"),
        ("some.json", b'{"a": 1}', "none of ours: no manifest"),
        ("some.json", b"[1]", "none of ours: JSON, but no object"),
        ("some.json", b"{", "not readable as JSON"),
        ("m.onnx", b"hello", "damaged"),
        ("m.onnx", b"", "damaged"),
        ("w.safetensors", b"hello", "damaged, or no safetensors"),
        ("w.safetensors", b"", "damaged, or no safetensors"),
        ("w.safetensors", b"\x02\0\0\0\0\0\0\0{}", "none of ours: it has no E1"),
        ("missing.onnx", None, "no such file"),
        ("folder/", None, "none of ours: a folder without config.json"),
    ],
    ids=str,
)
def test_anything_else_is_one_line(name: str, content: bytes | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if name.endswith("/"):
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=message) as caught:
        inspect_file(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_step_of_thousands_of_digits_is_none(run: Path, tmp_path: Path) -> None:
    source = (run / "weights.safetensors").read_bytes()
    length = int.from_bytes(source[:8], "little")
    header = json.loads(source[8 : 8 + length])
    header["__metadata__"]["step"] = "1" * 5000
    written = json.dumps(header).encode()
    path = tmp_path / "weights.safetensors"
    path.write_bytes(len(written).to_bytes(8, "little") + written + source[8 + length :])
    assert inspect_file(path)["step"] is None


@pytest.mark.parametrize("name", ["m.onnx", "weights.safetensors"])
def test_cut_off_files_are_damaged(name: str, exported: Exported, run: Path, tmp_path: Path) -> None:
    source = exported.model if name == "m.onnx" else run / name
    (tmp_path / name).write_bytes(source.read_bytes()[:-100])
    with pytest.raises(ModelError, match="damaged"):
        inspect_file(tmp_path / name)


def test_a_foreign_onnx_model_is_none_of_ours(tmp_path: Path) -> None:
    model = model_of(CONVOLUTION, {"w": (8, 3, 3, 3)})
    model.producer_name = "pytorch"
    onnx.save(model, tmp_path / "resnet.onnx")
    with pytest.raises(ModelError, match="none of ours: made by pytorch"):
        inspect_file(tmp_path / "resnet.onnx")


def test_the_command(exported: Exported, run: Path) -> None:
    code, output = cli("inspect", exported.model, "--size", "64x64")
    assert code == 0
    lines = dict(line.strip().split(maxsplit=1) for line in output.splitlines() if len(line.split()) > 1)
    assert lines["kind"] == "ONNX model" and lines["inputs"] == "frame: uint8[1,?,?,3]"
    assert lines["encoder.0.0.weight"].split()[:2] == ["Conv", "fp32"]
    code, output = cli("inspect", exported.model, "--size", "64x64", "--json")
    assert code == 0 and json.loads(output) == inspect_file(exported.model, (64, 64))
    assert json.loads(cli("inspect", run, "--json")[1]) == json.loads(json.dumps(inspect_file(run)))
    assert "E shared" in cli("inspect", run)[1]
    assert "day to night" in cli("info", exported.model)[1]


def test_its_errors_are_one_line(exported: Exported) -> None:
    for arguments, expected in (
        ([exported.model, "--size", "12"], "expected WIDTHxHEIGHT"),
        (["missing.onnx"], "no such file"),
        ([exported.model.with_suffix(".json"), "--size", "64x64"], "a frame size is for ONNX models"),
        ([Path(__file__)], "none of ours"),
    ):
        code, output = cli("inspect", *arguments)
        assert code == 1 and output.startswith("error: ") and output.count("\n") == 1
        assert expected in output


def test_boards_count_sizes_that_the_manifest_lacks(exported: Exported) -> None:
    rows = json.loads(cli("boards", exported.model, "--size", "64x64", "--json")[1])
    assert rows["macs"] == inspect_file(exported.model, (64, 64))["costs"]["macs"]
