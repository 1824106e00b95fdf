"""Names for the tensors around E and G in a graph with the guided head: where runtimes may cut it."""

from __future__ import annotations

from typing import Any

import onnx

from unit_edge.errors import ModelError

SMALL, TRANSLATED = "small", "translated_small"


def with_named_cut(content: bytes) -> tuple[bytes, dict[str, str]]:
    """Names the frame shrunk, and what E and G make of it, in a graph with the guided head.

    Args:
        content: an ONNX file's, of a `Translator` with a head.

    Returns:
        the file's content, and `Manifest.cut`.

    Raises:
        ModelError: the graph is another one.
    """
    model = onnx.load_model_from_string(content)
    nodes = model.graph.node
    shrinks = [node for node in nodes if node.op_type == "Conv" and node.input[1] == "shrink.weight"]
    small = shrinks[0].output[0] if len(shrinks) == 1 else ""
    # the head's moments begin with the two images
    moments = [node for node in nodes if node.op_type == "Concat" and node.input[0] == small != ""]
    ends = [node for node in nodes if node.op_type == "Tanh"]  # G's last layer
    if len(moments) != 1 or len(ends) != 1:
        raise ModelError("no shrunk frame and no moments of it in the graph; expected a guided head")
    translated = ends[0].output[0]
    for node in nodes:
        # of E and G in half precision, and of a margin that is cut off
        if node.op_type in ("Cast", "Slice") and node.input[0] == translated:
            translated = node.output[0]
    _rename(model.graph, {small: SMALL, translated: TRANSLATED})
    onnx.checker.check_model(model, full_check=True)
    named: bytes = model.SerializeToString(deterministic=True)
    return named, {"small": SMALL, "translated": TRANSLATED}


def _rename(graph: Any, names: dict[str, str]) -> None:
    for node in graph.node:
        for tensors in (node.input, node.output):
            for place, name in enumerate(tensors):
                tensors[place] = names.get(name, name)
    for value in graph.value_info:
        value.name = names.get(value.name, value.name)
