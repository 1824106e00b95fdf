"""A part of an ONNX graph as a model of its own: from one of its tensors to another. Needs no onnx.

What `unit_edge.files.onnx_file` has found whole is read here; nodes and weights go over as they are.
"""

from __future__ import annotations

from unit_edge.errors import ModelError
from unit_edge.files.protobuf import Fields, Refused, block, field, inside, number, text

_MODEL_GRAPH = 7
_NODE, _STORED, _INPUT, _OUTPUT, _KNOWN = 1, 5, 11, 12, 13  # of GraphProto
_FLOAT = 1
Shape = tuple[int | str, ...]


def cut_out(content: bytes, start: tuple[str, Shape], end: tuple[str, Shape]) -> bytes:
    """The content of a model that takes one float tensor of a graph and gives another that depends on it.

    Args:
        content: an ONNX file's.
        start: name and shape of the tensor that it takes; a text is the name of an open dimension.
        end: the same of the tensor that it gives.

    Raises:
        ModelError: the graph has no such tensors, or the one doesn't follow from the other.
    """
    head, graph = bytearray(), memoryview(b"")
    try:
        for kind, form, value in Fields().of(memoryview(content)):
            if kind == _MODEL_GRAPH:
                graph = inside(form, value)
            else:
                head += field(kind, form, value)
        return bytes(head) + block(_MODEL_GRAPH, _graph(graph, start, end))
    except (Refused, UnicodeDecodeError):
        raise ModelError("damaged, or no ONNX model; export the model again") from None


def _graph(content: memoryview, start: tuple[str, Shape], end: tuple[str, Shape]) -> bytes:
    nodes = list[tuple[bytes, list[str], list[str]]]()
    stored = dict[str, bytes]()
    rest = bytearray()
    for kind, form, value in Fields().of(content):
        written = field(kind, form, value)
        if kind == _NODE:
            inputs, outputs = (_texts(inside(form, value), wanted) for wanted in (1, 2))
            nodes.append((written, inputs, outputs))
        elif kind == _STORED:
            stored["".join(_texts(inside(form, value), 8))] = written
        elif kind not in (_INPUT, _OUTPUT, _KNOWN):
            rest += written
    wanted, kept = {end[0]}, list[bytes]()
    for written, inputs, outputs in reversed(nodes):  # a file's nodes are in the order of execution
        if wanted.intersection(outputs) and start[0] not in outputs:
            wanted.update(name for name in inputs if name)
            wanted.difference_update(outputs)
            kept.append(written)
    if not kept or start[0] not in wanted or wanted - stored.keys() != {start[0]}:
        raise ModelError(
            f"no network between the tensors {start[0]!r} and {end[0]!r} that the manifest names; "
            "export the model again"
        )
    return b"".join(
        (
            *reversed(kept),
            bytes(rest),
            *(stored[name] for name in sorted(wanted - {start[0]})),
            block(_INPUT, _tensor(*start)),
            block(_OUTPUT, _tensor(*end)),
        )
    )


def _texts(view: memoryview, wanted: int) -> list[str]:
    return [bytes(inside(form, value)).decode() for kind, form, value in Fields().of(view) if kind == wanted]


def _tensor(name: str, shape: Shape) -> bytes:
    """A ValueInfoProto of floats."""
    dims = b"".join(block(1, text(2, size) if isinstance(size, str) else number(1, size)) for size in shape)
    return text(1, name) + block(2, block(1, number(1, _FLOAT) + block(2, dims)))
