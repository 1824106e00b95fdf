"""What is inside an ONNX model of ours: tensors, operations, layers, costs, and where it is from."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any

from unit_edge.errors import ModelError
from unit_edge.export.graph.costs import costs_at, layers
from unit_edge.export.graph.graph import ONNX_PACKAGE, load_onnx, resolve_file
from unit_edge.files.onnx_file import loaded_by
from unit_edge.manifests.model import Manifest, matches, sha256_of, tensor_text

GraphReport = dict[str, Any]
"""What is printed, or given as JSON: plain values, tables (lists of dicts) and groups (dicts)."""

_PRODUCER = "unit-edge"


def inspect_onnx(path: Path, frame_size: tuple[int, int] | None = None) -> GraphReport:
    """Everything that can be told of an ONNX model without running it.

    Args:
        path: NAME.onnx.
        frame_size: width and height of the frame that it is counted for, in pixels; None for the model's own,
            or 1280x720 if it takes any.

    Raises:
        ModelError: it is damaged, takes no such frames, or is none of ours.
    """
    model = load_onnx(path)
    with loaded_by(ONNX_PACKAGE, path):
        return _inspected(path, model, frame_size)


def _inspected(path: Path, model: Any, frame_size: tuple[int, int] | None) -> GraphReport:
    beside = path.with_suffix(".json")
    if not model.graph.node:
        raise ModelError(f"{path}: damaged, or not an ONNX model; export the model again")
    if model.producer_name != _PRODUCER and not beside.is_file():
        maker = model.producer_name or "an unknown program"
        raise ModelError(
            f"{path}: none of ours: made by {maker}, and no {beside.name} beside it; "
            "`unit-edge export` writes ours"
        )
    graph = resolve_file(path, model, frame_size)
    found = layers(graph)
    precisions = Counter(layer.precision for layer in found)
    return {
        "kind": "ONNX model",
        "file": str(path),
        "bytes": path.stat().st_size,
        "sha256": sha256_of(path),
        "inputs": [_value(value) for value in model.graph.input],
        "outputs": [_value(value) for value in model.graph.output],
        "opset": max(opset.version for opset in model.opset_import),
        "producer": f"{model.producer_name} {model.producer_version}".strip(),
        "metadata": {entry.key: entry.value for entry in model.metadata_props},
        "operators": dict(Counter(node.op_type for node in model.graph.node).most_common()),
        "precisions": dict(precisions.most_common()),
        "parameters": sum(layer.parameters for layer in found),
        "weights_bytes": graph.stored_bytes,
        "costs": {
            "frame_size": "{}x{}".format(*graph.frame_size),
            **{k: v for k, v in dataclasses.asdict(costs_at(graph)).items() if k != "frame_size"},
        },
        "layers": [{**dataclasses.asdict(layer), "output": list(layer.output)} for layer in found],
        "manifest": _manifest(path, beside),
    }


def _manifest(path: Path, beside: Path) -> GraphReport | str:
    if not beside.is_file():
        return f"no {beside.name} beside it"
    manifest = Manifest.read(beside)
    return {
        "file": matches(path, manifest.sha256),
        "translates": f"{manifest.source} to {manifest.target}",
        "preset": manifest.preset,
        "precision": manifest.precision,
        "detail": manifest.detail,
        "made_from": manifest.made_from,
        "versions": manifest.versions,
    }


def _value(value: Any) -> str:
    import onnx

    kind = value.type.tensor_type
    dtype = str(onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type))
    return f"{value.name}: {tensor_text(dtype, [dim.dim_value or None for dim in kind.shape.dim])}"
