"""What a stranger's ONNX file may hold: it is refused before a backend or the onnx package sees it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import cli

from unit_edge.errors import ModelError
from unit_edge.files import protobuf
from unit_edge.files.onnx_file import check_onnx
from unit_edge.registry import bundled_models
from unit_edge.runtime.backends.open import open_runner

onnx = pytest.importorskip("onnx", reason="building test models needs the export extra")
from hostile_models import hostile, node, written  # noqa: E402
from onnx import TensorProto, helper  # noqa: E402

Change = Callable[[Any], None]


def in_graph(*nodes: Any) -> Change:
    """Puts nodes in front of a model's own."""

    def change(model: Any) -> None:
        own = list(model.graph.node)
        del model.graph.node[:]
        model.graph.node.extend([*nodes, *own])

    return change


def a_graph(name: str = "inner") -> Any:
    out = helper.make_tensor_value_info("o", TensorProto.BOOL, [])
    return helper.make_graph([helper.make_node("Identity", ["c"], ["o"])], name, [], [out])


def stored(**fields: Any) -> Change:
    def change(model: Any) -> None:
        tensor = model.graph.initializer.add(
            name="w", data_type=TensorProto.FLOAT, dims=[2], raw_data=bytes(8)
        )
        for name, value in fields.items():
            if isinstance(value, list):
                del getattr(tensor, name)[:]
                getattr(tensor, name).extend(value)
            else:
                setattr(tensor, name, value)

    return change


def external(model: Any) -> None:
    tensor = model.graph.initializer.add(name="w", data_type=TensorProto.FLOAT, dims=[2**38])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/dev/zero")


def without_a_flag(model: Any) -> None:
    """External data that isn't said to be external."""
    external(model)
    model.graph.initializer[-1].data_location = TensorProto.DEFAULT


def function(model: Any) -> None:
    model.functions.add(name="f", domain="")


def foreign_domain(model: Any) -> None:
    model.opset_import.add(domain="com.microsoft", version=1)


def of_version(version: int) -> Change:
    def change(model: Any) -> None:
        model.opset_import[0].version = version

    return change


def lost_output(model: Any) -> None:
    model.graph.output[0].name = "nowhere"


def no_graph(model: Any) -> None:
    model.ClearField("graph")


def sparse(model: Any) -> None:
    model.graph.sparse_initializer.add().dims.append(3)


def huge_side(model: Any) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 2**40


def no_type(model: Any) -> None:
    model.graph.output[0].type.tensor_type.elem_type = 0


def sequence(model: Any) -> None:
    model.graph.input[0].type.sequence_type.elem_type.tensor_type.elem_type = 1


HOSTILE: dict[str, tuple[Change, str]] = {
    "loop": (in_graph(helper.make_node("Loop", ["", ""], ["x"], body=a_graph())), "operator 'Loop'"),
    "if": (
        in_graph(helper.make_node("If", ["frame"], ["x"], then_branch=a_graph(), else_branch=a_graph())),
        "operator 'If'",
    ),
    "graph in an innocent operator": (
        in_graph(helper.make_node("Identity", ["frame"], ["x"], body=a_graph())),
        "a graph inside Identity",
    ),
    "graphs in an innocent operator": (
        in_graph(helper.make_node("Identity", ["frame"], ["x"], body=[a_graph(), a_graph()])),
        "a graph inside Identity",
    ),
    "out of nothing": (
        in_graph(helper.make_node("ConstantOfShape", ["frame"], ["x"])),
        "operator 'ConstantOfShape'",
    ),
    "by chance": (in_graph(helper.make_node("Dropout", ["frame"], ["x"])), "operator 'Dropout'"),
    "custom": (in_graph(helper.make_node("Identity", ["frame"], ["x"], domain="mine")), "isn't ONNX's own"),
    "contributed": (foreign_domain, "operators of 'com.microsoft'"),
    "of a version to come": (of_version(2**31), "operators of version 2147483648"),
    "of no version": (of_version(0), "operators of version 0"),
    "of a format to come": (lambda model: setattr(model, "ir_version", 2**62), "an ONNX file of version"),
    "of no format": (lambda model: setattr(model, "ir_version", -1), "an ONNX file of version"),
    "function": (function, "functions"),
    "external": (external, "data in another file"),
    "external, not said": (without_a_flag, "data in another file"),
    "huge": (stored(dims=[2**40]), "1099511627776 values, it has others"),
    "huge product": (stored(dims=[2**62, 2**62]), "it has others"),
    "negative": (stored(dims=[-1]), "impossible shape"),
    "many dimensions": (stored(dims=[1] * 60), "impossible shape"),
    "type": (stored(data_type=TensorProto.STRING), "of a type"),
    "twice the data": (stored(float_data=[1.0, 2.0]), "it has others"),
    "data of another type": (stored(data_type=TensorProto.INT64), "it has others"),
    "no name": (stored(name=""), "without a name"),
    "sparse": (sparse, "sparse data"),
    "lost output": (lost_output, "nothing makes its output 'nowhere'"),
    "lost input": (in_graph(helper.make_node("Identity", ["gone"], ["x"])), "takes 'gone'"),
    "made twice": (in_graph(helper.make_node("Identity", ["frame"], ["translated"])), "made twice"),
    "no graph": (no_graph, "no graph"),
    "huge side": (huge_side, "a side"),
    "sequence": (sequence, "no tensor"),
    "no type": (no_type, "a type that no exported model has"),
    "attribute": (
        in_graph(helper.make_node("Transpose", ["frame"], ["x"], perm=list(range(100_000)))),
        "too many values",
    ),
    "long": (
        in_graph(*(helper.make_node("Identity", ["frame"], [f"x{i}"]) for i in range(20_000))),
        "more than 1024 operations",
    ),
}


def changed(model: Path, change: Change) -> Path:
    """The same file with something put into it, and a manifest that says so."""
    proto = onnx.load(model)
    change(proto)
    return written(model, proto)


@pytest.mark.parametrize(
    "put",
    [
        lambda proto: setattr(proto.graph.input[0].type.tensor_type.shape.dim[0], "dim_param", "#ame"),
        lambda proto: setattr(proto.graph, "name", "#ame"),
        lambda proto: setattr(proto.graph.node[0], "name", "#ame"),
        lambda proto: setattr(proto, "producer_name", "#ame"),
        lambda proto: proto.graph.node[0].attribute.append(onnx.helper.make_attribute("#ame", 1)),
        lambda proto: proto.metadata_props.add(key="#ame", value="x"),
        lambda proto: proto.metadata_props.add(key="x", value="#ame"),
    ],
    ids=["side", "graph", "operation", "producer", "attribute", "key", "value"],
)
def test_names_are_utf_8(put: Change, write_model: Callable[..., Path]) -> None:
    model = write_model()
    content = onnx.load(model)
    put(content)
    check_onnx_of(model, content.SerializeToString())
    with pytest.raises(ModelError, match="a name that isn't UTF-8"):
        check_onnx_of(model, content.SerializeToString().replace(b"#ame", b"\x80ame"))


def test_metadata_may_be_long(write_model: Callable[..., Path]) -> None:
    """Detectors have the names of their classes there."""
    model = changed(write_model(), lambda proto: proto.metadata_props.add(key="names", value="car " * 5000))
    check_onnx(model)


def test_a_type_that_numpy_lacks_is_one_line(write_model: Callable[..., Path]) -> None:
    pytest.importorskip("openvino", reason='needs pip install "unit-edge[openvino]"')

    def of_no_type(proto: Any) -> None:
        to = proto.graph.node[-1].attribute[0]
        assert to.name == "to"
        to.type = onnx.AttributeProto.FLOAT

    with pytest.raises(ModelError, match="made for other tensors: its output is translated dynamic"):
        open_runner(changed(write_model("invert"), of_no_type), "openvino").__enter__()


def test_what_a_library_makes_of_a_model_is_one_line(
    write_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNIT_EDGE_MODEL_LIMITS", "off")
    model = changed(write_model(), in_graph(helper.make_node("Shape", ["frame"], ["a", "b"])))
    for arguments in (("inspect", model), ("boards", model)):
        code, _, said = cli(*arguments)
        assert code == 1 and said.startswith(f"error: {model}: the package onnx can't load it: ")
        assert said.count("\n") == 1


@pytest.mark.parametrize("command", ["inspect", "boards"])
def test_what_would_take_the_memory_is_refused_before_onnx_sees_it(
    command: str, write_model: Callable[..., Path]
) -> None:
    """A product of all pixels with all pixels: nothing for a small frame, terabytes for a large one."""
    nodes = [
        node("Cast", "frame", "f", to=TensorProto.FLOAT),
        node("Reshape", "f", "column", "rows"),
        node("Reshape", "f", "row", "columns"),
        node("MatMul", "rows", "columns", "large"),
    ]
    model = hostile(write_model(), nodes, {"column": np.array([-1, 1]), "row": np.array([1, -1])})
    assert cli(command, model, "--size", "16x12")[0] == 0
    code, _, said = cli(command, model, "--size", "1280x720")
    assert code == 1 and "its tensors would take" in said and said.count("\n") == 1


def check_onnx_of(model: Path, content: bytes) -> None:
    model.write_bytes(content)
    check_onnx(model)


@pytest.mark.parametrize("name", HOSTILE)
def test_what_no_exported_model_holds_is_refused(name: str, write_model: Callable[..., Path]) -> None:
    change, said = HOSTILE[name]
    model = changed(write_model(), change)
    for opened in (lambda: check_onnx(model), lambda: open_runner(model)):
        with pytest.raises(ModelError, match=said) as caught:
            opened()
        assert str(model) in str(caught.value) and "\n" not in str(caught.value)


def test_inspect_refuses_it_too(write_model: Callable[..., Path]) -> None:
    from unit_edge.cli.subjects.inspection import inspect_file

    model = changed(write_model(), HOSTILE["external"][0])
    with pytest.raises(ModelError, match="data in another file"):
        inspect_file(model)


def test_what_we_bundle_and_what_tests_make_passes(write_model: Callable[..., Path]) -> None:
    for path, _ in bundled_models():
        check_onnx(path)
    for kind in ("identity", "invert", "slow", "fails"):
        check_onnx(write_model(kind))


@pytest.mark.parametrize("packed", [True, False])
def test_data_of_every_form_that_onnx_writes_passes(packed: bool, write_model: Callable[..., Path]) -> None:
    kinds = (
        TensorProto.FLOAT, TensorProto.UINT8, TensorProto.INT8, TensorProto.INT32, TensorProto.INT64,
        TensorProto.BOOL, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.UINT32, TensorProto.UINT64,
    )  # fmt: skip

    def change(model: Any) -> None:
        import numpy as np

        for number, kind in enumerate(kinds):
            dtype = helper.tensor_dtype_to_np_dtype(kind)
            values = np.array([[0, 1, 0], [1, 1, 0]], dtype)
            data = values.tobytes() if packed else values.ravel().tolist()
            model.graph.initializer.append(helper.make_tensor(f"w{number}", kind, [2, 3], data, raw=packed))
        model.graph.initializer.append(helper.make_tensor("empty", TensorProto.FLOAT, [0], []))

    check_onnx(changed(write_model(), change))


def test_every_prefix_and_many_a_changed_byte_is_refused_or_passes(write_model: Callable[..., Path]) -> None:
    model = write_model("invert")
    content = model.read_bytes()
    for cut in range(len(content)):
        model.write_bytes(content[:cut])
        with pytest.raises(ModelError):
            check_onnx(model)
    for at in range(len(content)):
        for byte in (0, 1, 0x7F, 0x80, 0xFF):
            model.write_bytes(content[:at] + bytes([byte]) + content[at + 1 :])
            try:
                check_onnx(model)
            except ModelError as error:
                assert "\n" not in str(error)


def test_a_file_of_nothing_but_entries_is_refused_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protobuf, "_FIELDS_AT_MOST", 1000)
    path = tmp_path / "m.onnx"
    path.write_bytes(b"\x08\x0a" * 2000)
    with pytest.raises(ModelError, match="more than 1000 entries"):
        check_onnx(path)
