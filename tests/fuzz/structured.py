"""Mutators that know what a file is made of: boxes, chunks, fields, headers and types stay well-formed."""

from __future__ import annotations

import json
import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import mutators

_WORDS = (0, 1, 2, 7, 8, 1000, 2**16, 10**6, 10**9, 2**31 - 1, 2**31, 2**32 - 1)
_HOLDERS = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"udta", b"dinf", b"mvex", b"moof", b"traf")
_TIMES = (b"tfdt", b"trun", b"tfhd", b"trex", b"mvhd", b"mdhd", b"tkhd", b"elst", b"stts", b"ctts", b"mfhd")


def splice(one: bytes, other: bytes, draw: random.Random) -> bytes:
    """The beginning of one file and the end of another."""
    return one[: draw.randrange(len(one))] + other[draw.randrange(len(other)) :]


def zeros(content: bytes, draw: random.Random) -> bytes:
    """A run of zeros, as a disk leaves it that lost its power."""
    at = draw.randrange(len(content))
    lost = content[at : at + draw.choice((16, 600, 4096))]
    return content[:at] + bytes(len(lost)) + content[at + len(lost) :]


@dataclass(frozen=True)
class _Box:
    at: int
    size: int
    kind: bytes


def _boxes(content: bytes, at: int, end: int) -> list[_Box]:
    found = []
    while at + 8 <= end:
        size, kind = struct.unpack_from(">I4s", content, at)
        if size < 8 or at + size > end:
            break
        found.append(_Box(at, size, kind))
        if kind in _HOLDERS:
            found += _boxes(content, at + 8, at + size)
        at += size
    return found


def mutate_boxes(content: bytes, draw: random.Random) -> bytes:
    """One to three boxes of an MP4 changed, most often in what they say of times."""
    for _ in range(draw.choice((1, 1, 2, 3))):
        found = _boxes(content, 0, len(content))
        if not found:
            return content
        timed = [box for box in found if box.kind in _TIMES]
        box = draw.choice(timed if timed and draw.random() < 0.7 else found)
        before, whole, after = (
            content[: box.at], content[box.at : box.at + box.size], content[box.at + box.size :],
        )  # fmt: skip
        kind = draw.randrange(8)
        if kind == 0:
            size = draw.choice((*_WORDS, box.size - 1, 2 * box.size))
            whole = struct.pack(">I", size % 2**32) + whole[4:]
        elif kind == 1:
            whole = b""
        elif kind == 2:
            whole += whole
        elif kind == 3:
            whole = whole[:4] + draw.choice(found).kind + whole[8:]
        elif box.size >= 12:
            at = 8 + 4 * draw.randrange((box.size - 8) // 4)
            old = int.from_bytes(whole[at : at + 4], "big")
            new = draw.choice((*_WORDS, old + 1, old + 10_000, 2 * old, old // 2))
            whole = whole[:at] + struct.pack(">I", new % 2**32) + whole[at + 4 :]
        content = before + whole + after
    return content


_CHUNKS = (b"iCCP", b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"tRNS", b"PLTE", b"acTL", b"fdAT", b"fcTL", b"gAMA")


def mutate_chunks(content: bytes, draw: random.Random) -> bytes:
    """One or two chunks of a PNG changed, added or lost, with the checksums that they then should have."""
    chunks, at = [], 8
    while at + 12 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, at)
        chunks.append((kind, content[at + 8 : at + 8 + size]))
        at += 12 + size
    for _ in range(draw.choice((1, 2))):
        index = draw.randrange(len(chunks))
        kind, body = chunks[index]
        way = draw.randrange(5)
        if way == 0:
            chunks[index] = kind, mutators.mutate_bytes(body, draw)
        elif way == 1:
            chunks.insert(index, draw.choice(chunks))
        elif way == 2 and len(chunks) > 1:
            del chunks[index]
        elif way == 3:
            content_of_it = draw.randbytes(draw.choice((0, 1, 4, 12, 26, 300, 70_000)))
            chunks.insert(1, (draw.choice(_CHUNKS), content_of_it))
        elif chunks[0][0] == b"IHDR" and len(chunks[0][1]) == 13:
            header = bytearray(chunks[0][1])
            side = draw.choice((0, 4))
            header[side : side + 4] = struct.pack(">I", draw.choice((*_WORDS, 30, 41, 5000, 2**20)))
            if draw.random() < 0.5:
                header[8 + draw.randrange(5)] = draw.choice((0, 1, 2, 3, 4, 6, 8, 16, 255))
            chunks[0] = b"IHDR", bytes(header)
    return content[:8] + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def _varint(content: bytes, at: int) -> tuple[int, int]:
    """A number and where it ends; IndexError or ValueError if there is none."""
    value = shift = 0
    while shift < 70:
        byte = content[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
    raise ValueError


def _as_varint(value: int) -> bytes:
    said = bytearray()
    while value > 127:
        said.append(value & 127 | 128)
        value >>= 7
    return bytes([*said, value])


_VARINT, _EIGHT, _TEXT, _FOUR = 0, 1, 2, 5
_DEPTH = 5
_NUMBERS = (0, 1, 2, 7, 11, 16, 2**31 - 1, 2**31, 2**40, 2**63 - 1, 2**64 - 1)
_Field = tuple[int, int, bytes]  # number, wire type, content without its length


def _fields(content: bytes) -> list[_Field]:
    found, at = list[_Field](), 0
    while at < len(content):
        key, at = _varint(content, at)
        kind, begin = key & 7, at
        if kind == _VARINT:
            _, at = _varint(content, at)
        elif kind == _TEXT:
            size, begin = _varint(content, at)
            at = begin + size
        elif kind in (_EIGHT, _FOUR):
            at += 8 if kind == _EIGHT else 4
        else:
            raise ValueError
        if at > len(content) or not key >> 3:
            raise ValueError
        found.append((key >> 3, kind, content[begin:at]))
    return found


def _message(fields: list[_Field]) -> bytes:
    return b"".join(
        _as_varint(number << 3 | kind) + (_as_varint(len(content)) if kind == _TEXT else b"") + content
        for number, kind, content in fields
    )


def mutate_fields(content: bytes, draw: random.Random, depth: int = 0) -> bytes:
    """A field of a protobuf message, often of one inside it: twice, lost, elsewhere, with another number."""
    try:
        fields = _fields(content)
    except (IndexError, ValueError):
        return mutators.mutate_bytes(content, draw)
    inner = [index for index, field in enumerate(fields) if field[1] == _TEXT and len(field[2]) > 2]
    if inner and depth < _DEPTH and draw.random() < 0.8:
        index = draw.choice(inner)
        number, kind, held = fields[index]
        fields[index] = number, kind, mutate_fields(held, draw, depth + 1)
        return _message(fields)
    if not fields:
        return content
    index, other = draw.randrange(len(fields)), draw.randrange(len(fields))
    number, kind, held = fields[index]
    way = draw.randrange(6)
    if way == 0:
        fields.insert(other, fields[index])
    elif way == 1:
        del fields[index]
    elif way == 2:
        fields[index], fields[other] = fields[other], fields[index]
    elif way == 3:
        fields[index] = draw.choice((1, 2, 3, 4, 5, 7, 8, 9, 13, 14, 20, 2**28)), kind, held
    elif way == 4:
        fields[index] = number, _VARINT, _as_varint(draw.choice(_NUMBERS))
    else:
        same = fields[other][1] == kind
        fields[index] = (number, kind, fields[other][2]) if same else fields[other]
    return _message(fields)


def mutate_weights(content: bytes, draw: random.Random) -> bytes:
    """The header of a safetensors file, whose length stays right or is one of the others."""
    size = int.from_bytes(content[:8], "little")
    header = mutators.mutate_json(json.loads(content[8 : 8 + size]), draw)
    told = len(header) if draw.random() < 0.9 else draw.choice(_NUMBERS)
    return told.to_bytes(8, "little") + header + content[8 + size :]


_TYPES: tuple[Callable[[str], str], ...] = (
    lambda value: f'"{value.strip(chr(34))}"',
    lambda value: f"[{value}]",
    lambda value: f"[{value}, {value}]",
    lambda value: f"{{ a = {value} }}",
    lambda value: f"{value}.0",
    lambda value: f"-{value}",
    lambda value: f"{value}e30",
    lambda value: "true",
    lambda value: "1979-05-27T07:32:00Z",
    lambda value: "[]",
    lambda value: '""',
    lambda value: "'''\n'''",
)


def mutate_types(text: str, draw: random.Random) -> bytes:
    """One to three values of a TOML file of another type, two of them exchanged, or a table elsewhere."""
    lines = text.splitlines()
    for _ in range(draw.choice((1, 1, 2, 3))):
        keys = [index for index, line in enumerate(lines) if "=" in line and not line.startswith("#")]
        tables = [index for index, line in enumerate(lines) if line.startswith("[")]
        if not keys:
            break
        one, other = draw.choice(keys), draw.choice(keys)
        way = draw.randrange(6)
        (name, _, value), (other_name, _, other_value) = (
            lines[one].partition("="),
            lines[other].partition("="),
        )
        if way == 0:
            lines[one], lines[other] = f"{name}={other_value}", f"{other_name}={value}"
        elif way == 1 and tables:
            lines.insert(draw.randrange(len(lines) + 1), lines[draw.choice(tables)])
        elif way == 2:
            lines.insert(draw.randrange(len(lines) + 1), lines.pop(one))
        else:
            lines[one] = f"{name}= {draw.choice(_TYPES)(value.partition('#')[0].strip())}"
    return "\n".join(lines).encode()


def mutate_zip(content: bytes, draw: random.Random) -> bytes:
    """One to three bytes of the headers of an archive."""
    data = bytearray(content)
    heads = [at for at in range(len(data) - 4) if data[at : at + 2] == b"PK"]
    for _ in range(draw.choice((1, 1, 2, 3))):
        at = draw.choice(heads) + draw.randrange(60)
        data[min(at, len(data) - 1)] = draw.choice((0, 1, 0x7F, 0x80, 0xFF, draw.randrange(256)))
    return bytes(data)


_YAML = (
    "!!int x",
    "!!bool x",
    "!!timestamp x",
    "!!binary x",
    "!!omap [a]",
    "!!set {a}",
    "2001-99-99",
    ".inf",
    ".nan",
    "0x" + "f" * 5000,
    "1" * 5000,
    "[" * 3000,
    "&a [*a]",
    "*x",
    "? [a]",
    "{[a]: 1}",
    "{1: a, b: c}",
    "<<: [1]",
    "~",
    '"\\ud800"',
    '"\\0"',
    "&a [x, x, x, x]\nb: &b [*a, *a, *a, *a]\nc: [*b, *b, *b, *b]",
    "/etc",
    "../..",
    "[[]]",
)


def mutate_yaml(text: str, draw: random.Random) -> bytes:
    """One or two entries of other kinds, lines lost, doubled or elsewhere, and now and then bytes."""
    lines = text.splitlines()
    for _ in range(draw.choice((1, 1, 2))):
        at = draw.randrange(len(lines))
        way = draw.randrange(5)
        if way == 0 and len(lines) > 1:
            del lines[at]
        elif way == 1:
            lines.insert(draw.randrange(len(lines) + 1), lines[at])
        else:
            lines[at] = f"{lines[at].partition(':')[0]}: {draw.choice(_YAML)}"
    content = "\n".join(lines).encode() + b"\n"
    return mutators.mutate_bytes(content, draw) if draw.random() < 0.2 else content


_CELLS = ("-1", "0", "1e308", "-1e308", "nan", "inf", "9" * 30, "", "x", "\u0661", "1_0", "0x1")


def mutate_cells(text: str, draw: random.Random) -> bytes:
    """One to three cells of a table without a header, of commas or blanks."""
    lines = text.splitlines()
    for _ in range(draw.choice((1, 1, 2, 3))):
        at = draw.randrange(len(lines))
        comma = "," if "," in lines[at] else " "
        cells = lines[at].split(comma)
        cells[draw.randrange(len(cells))] = draw.choice(_CELLS)
        lines[at] = comma.join(cells)
    content = "\n".join(lines).encode()
    return mutators.mutate_bytes(content, draw) if draw.random() < 0.2 else content
