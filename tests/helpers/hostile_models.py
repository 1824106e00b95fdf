"""Models that do something on the side, which the frame that they give back depends on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from unit_edge.manifests.model import Manifest, sha256_of

Values = dict[str, np.ndarray[Any, Any]]


def hostile(path: Path, nodes: Sequence[Any], values: Values) -> Path:
    """A model that gives the frame back, and does something on the side that the output depends on."""
    ends = [
        helper.make_node("ReduceMax", ["large"], ["one"], keepdims=0),
        helper.make_node("Cast", ["one"], ["pixel"], to=TensorProto.UINT8),
        helper.make_node("Max", ["frame", "pixel"], ["translated"]),
    ]
    dims = ["n", "h", "w", 3]
    tensors = [helper.make_tensor_value_info(n, TensorProto.UINT8, dims) for n in ("frame", "translated")]
    stored = [numpy_helper.from_array(value, name) for name, value in values.items()]
    graph = helper.make_graph([*nodes, *ends], "g", tensors[:1], tensors[1:], stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return written(path, model)


def written(path: Path, model: Any) -> Path:
    """The file with another model in it, and a manifest that says so."""
    path.write_bytes(model.SerializeToString())
    beside = path.with_suffix(".json")
    manifest = Manifest.read(beside)
    object.__setattr__(manifest, "sha256", sha256_of(path))
    manifest.write(beside)
    return path


def node(operator: str, *names: str, **attributes: Any) -> Any:
    return helper.make_node(operator, list(names[:-1]), [names[-1]], **attributes)


FRAME = [node("Cast", "frame", "f", to=TensorProto.FLOAT), node("Transpose", "f", "t", perm=[0, 3, 1, 2])]
