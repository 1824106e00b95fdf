"""A part of an ONNX graph as a model of its own: from one of its tensors to another. Needs no onnx.

What `unit_edge.files.onnx_file` has found whole is read here; nodes and weights go over as they are.
"""

from __future__ import annotations

from collections.abc import Iterator

from unit_edge.errors import ModelError

_VARINT, _BYTES, _WIDTHS = 0, 2, {1: 8, 5: 4}
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
    head, graph = bytearray(), b""
    for number, field, inside in _fields(content):
        if number == _MODEL_GRAPH:
            graph = inside
        else:
            head += field
    return bytes(head) + _message(_MODEL_GRAPH, _graph(graph, start, end))


def _graph(content: bytes, start: tuple[str, Shape], end: tuple[str, Shape]) -> bytes:
    nodes = list[tuple[bytes, list[str], list[str]]]()
    stored = dict[str, bytes]()
    rest = bytearray()
    for number, field, inside in _fields(content):
        if number == _NODE:
            named = [(kind, text.decode()) for kind, _, text in _fields(inside) if kind in (1, 2)]
            nodes.append((field, [n for k, n in named if k == 1], [n for k, n in named if k == 2]))
        elif number == _STORED:
            stored[next(text.decode() for kind, _, text in _fields(inside) if kind == 8)] = field
        elif number not in (_INPUT, _OUTPUT, _KNOWN):
            rest += field
    wanted, kept = {end[0]}, list[bytes]()
    for field, inputs, outputs in reversed(nodes):  # a file's nodes are in the order of execution
        if wanted.intersection(outputs) and start[0] not in outputs:
            wanted.update(name for name in inputs if name)
            wanted.difference_update(outputs)
            kept.append(field)
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
            _message(_INPUT, _tensor(*start)),
            _message(_OUTPUT, _tensor(*end)),
        )
    )


def _tensor(name: str, shape: Shape) -> bytes:
    """A ValueInfoProto of floats."""
    dims = b"".join(
        _message(1, _message(2, size.encode()) if isinstance(size, str) else _number(1, size))
        for size in shape
    )
    kind = _message(1, _number(1, _FLOAT) + _message(2, dims))
    return _message(1, name.encode()) + _message(2, kind)


def _fields(content: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """The fields of a protobuf message: number, all bytes of it, and the value's if it has a length."""
    at = 0
    while at < len(content):
        begin = at
        tag, at = _varint(content, at)
        kind, inside = tag & 7, b""
        if kind == _VARINT:
            _, at = _varint(content, at)
        elif kind == _BYTES:
            length, at = _varint(content, at)
            inside = content[at : at + length]
            at += length
        else:
            at += _WIDTHS[kind]
        yield tag >> 3, content[begin:at], inside


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = place = 0
    while True:
        byte = content[at]
        at += 1
        value |= (byte & 127) << place
        place += 7
        if byte < 128:
            return value, at


def _encoded(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _number(number: int, value: int) -> bytes:
    return _encoded(number << 3 | _VARINT) + _encoded(value)


def _message(number: int, content: bytes) -> bytes:
    return _encoded(number << 3 | _BYTES) + _encoded(len(content)) + content
