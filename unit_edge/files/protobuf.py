"""Protobuf's wire format, as ONNX files are written in it: read and written without the package `onnx`."""

from __future__ import annotations

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Kinds of fields."""
_FIELDS_AT_MOST = 2_000_000
_PACKED_AT_MOST = 8

Value = int | memoryview
Field = tuple[int, int, Value]
"""Number, kind and value: an int of a varint, else its bytes."""


class Refused(Exception):
    """What is wrong with a file."""


class Fields:
    """The entries of protobuf messages, of which there is an end."""

    def __init__(self) -> None:
        self._left = _FIELDS_AT_MOST

    def of(self, view: memoryview) -> Iterator[Field]:
        """The fields of a protobuf message.

        Raises:
            Refused: it is no message, or there are too many entries.
        """
        at, end = 0, len(view)
        while at < end:
            self._left -= 1
            if self._left < 0:
                raise Refused(f"more than {_FIELDS_AT_MOST} entries")
            tag, at = _varint(view, at)
            number, kind = tag >> 3, tag & 7
            if kind == VARINT:
                value, at = _varint(view, at)
                yield number, kind, value
                continue
            if kind == BYTES:
                length, at = _varint(view, at)
            elif kind in (FIXED64, FIXED32):
                length = 8 if kind == FIXED64 else 4
            else:
                raise Refused("it breaks off, or is another kind of file")
            if number == 0 or length > end - at:
                raise Refused("it breaks off, or is another kind of file")
            yield number, kind, view[at : at + length]
            at += length


def varints(value: Value, at_most: int = _PACKED_AT_MOST) -> list[int]:
    """The whole numbers in a packed field, as if they had no sign.

    Raises:
        Refused: they are more than `at_most`, or not packed.
    """
    view, at, found = inside(BYTES, value), 0, list[int]()
    while at < len(view):
        if len(found) > at_most:
            raise Refused("stored data of an impossible shape")
        number, at = _varint(view, at)
        found.append(number)
    return found


def inside(kind: int, value: Value) -> memoryview:
    """The bytes of a field; Refused if it has none."""
    if kind != BYTES or isinstance(value, int):
        raise Refused("it is another kind of file")
    return value


def whole(kind: int, value: Value) -> int:
    """The number of a field; Refused if it is none."""
    if kind != VARINT or not isinstance(value, int):
        raise Refused("it is another kind of file")
    return value


def field(number: int, kind: int, value: Value) -> bytes:
    """A field as it is written."""
    tag = _encoded(number << 3 | kind)
    if isinstance(value, int):
        return tag + _encoded(value)
    return tag + (_encoded(len(value)) if kind == BYTES else b"") + bytes(value)


def number(of: int, value: int) -> bytes:
    """A field with a whole number of 0 or more."""
    return field(of, VARINT, value)


def block(of: int, content: bytes) -> bytes:
    """A field with bytes, or with a message."""
    return field(of, BYTES, memoryview(content))


def text(of: int, content: str) -> bytes:
    """A field with a text."""
    return block(of, content.encode())


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for place in range(10):
        if at >= len(view):
            raise Refused("it breaks off")
        byte = view[at]
        at += 1
        value |= (byte & 127) << 7 * place
        if byte < 128:
            return value & 2**64 - 1, at
    raise Refused("a number without an end")


def _encoded(value: int) -> bytes:
    content = bytearray()
    while value > 127:
        content.append(value & 127 | 128)
        value >>= 7
    return bytes([*content, value])
