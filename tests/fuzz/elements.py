"""Mutators of other containers: Matroska's elements, AVI's chunks, MPEG-TS's packets, FLV's tags."""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass, field

import mutators

_NUMBERS = (0, 1, 2, 7, 255, 1000, 2**16, 10**6, 10**9, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63, 2**64 - 1)

# Segment, SeekHead, Seek, Info, Tracks, TrackEntry, Video, Cluster, BlockGroup, Cues, CuePoint, Tags
_MASTERS = {
    0x18538067, 0x114D9B74, 0x4DBB, 0x1549A966, 0x1654AE6B, 0xAE, 0xE0, 0x1F43B675, 0xA0, 0x1C53BB6B, 0xBB,
    0xB7, 0x1254C367, 0x1A45DFA3,
}  # fmt: skip
# times, sizes of the picture, and blocks
_TELLING = {
    0x2AD7B1, 0x4489, 0xE7, 0x23E383, 0xB0, 0xBA, 0x54B0, 0x54BA, 0xA3, 0xA1, 0x9B, 0xD7, 0x83, 0x86,
}  # fmt: skip


@dataclass
class _Element:
    """`inner` is None of an element without elements in it, whose content is `content`."""

    name: int
    content: bytes = b""
    inner: list[_Element] | None = None
    told: bytes | None = field(default=None)  # a size that isn't so


def _vint(content: bytes, at: int, *, marked: bool) -> tuple[int, int]:
    first = content[at]
    length = 9 - first.bit_length()
    if length > 8 or at + length > len(content):
        raise ValueError
    value = int.from_bytes(content[at : at + length], "big")
    return (value if marked else value & (1 << 7 * length) - 1), at + length


def _elements(content: bytes) -> list[_Element]:
    found, at = list[_Element](), 0
    while at < len(content):
        try:
            name, at = _vint(content, at, marked=True)
            begin = at
            size, at = _vint(content, at, marked=False)
        except (IndexError, ValueError):
            break
        if size == (1 << 7 * (at - begin)) - 1:  # until its parent's end
            size = len(content) - at
        body = content[at : at + size]
        at += size
        held = _elements(body) if name in _MASTERS else None
        found.append(_Element(name, body, held))
    return found


def _bytes_of(elements: list[_Element]) -> bytes:
    made = b""
    for element in elements:
        body = element.content if element.inner is None else _bytes_of(element.inner)
        name = element.name.to_bytes((element.name.bit_length() + 7) // 8 or 1, "big")
        size = element.told if element.told is not None else (len(body) | 1 << 56).to_bytes(8, "big")
        made += name + size + body
    return made


def _all(elements: list[_Element]) -> list[tuple[list[_Element], int]]:
    found = []
    for index, element in enumerate(elements):
        found.append((elements, index))
        if element.inner is not None:
            found += _all(element.inner)
    return found


def mutate_elements(content: bytes, draw: random.Random) -> bytes:
    """One to three elements of a Matroska file: lost, twice, elsewhere, of another size, time or name."""
    top = _elements(content)
    for _ in range(draw.choice((1, 1, 2, 3))):
        places = _all(top)
        if not places:
            return content
        telling = [place for place in places if place[0][place[1]].name in _TELLING]
        holder, index = draw.choice(telling if telling and draw.random() < 0.6 else places)
        element = holder[index]
        way = draw.randrange(9)
        if way == 0:
            del holder[index]
        elif way == 1:
            holder.insert(draw.randrange(len(holder) + 1), element)
        elif way == 2:
            holder.append(holder.pop(index))
        elif way == 3:
            length = draw.choice((1, 4, 8))
            size = draw.choice((*_NUMBERS, (1 << 7 * length) - 1, len(element.content) + 1))
            element.told = (size % (1 << 7 * length) | 1 << 7 * length).to_bytes(length, "big")
        elif way == 4:
            other_holder, other = draw.choice(places)
            element.name = other_holder[other].name if other < len(other_holder) else 0xEC
        elif element.name in (0xA3, 0xA1) and len(element.content) > 4:  # a block's own time, and its flags
            told = struct.pack(">h", draw.choice((-(2**15), -1000, -1, 0, 1, 40, 1000, 2**15 - 1)))
            flags = bytes([draw.randrange(256)]) if draw.random() < 0.3 else element.content[3:4]
            element.content = element.content[:1] + told + flags + element.content[4:]
        elif element.inner is None:
            length = draw.choice((0, 1, 2, 4, 8, 9, len(element.content)))
            number = draw.choice((*_NUMBERS, int.from_bytes(element.content[:8], "big") + 1))
            element.content = (number % (1 << 8 * length)).to_bytes(length, "big") if length < 16 else b""
    return _bytes_of(top)


@dataclass
class _Chunk:
    kind: bytes
    content: bytes
    size: int


def _chunks(content: bytes) -> list[_Chunk]:
    found, at = [], 0
    while at + 8 <= len(content):
        kind, size = struct.unpack_from("<4sI", content, at)
        found.append(_Chunk(kind, content[at + 8 : at + 8 + size], size))
        at += 8 + size + size % 2
    return found


def mutate_riff(content: bytes, draw: random.Random, depth: int = 0) -> bytes:
    """A chunk of an AVI, often one inside a list: lost, twice, elsewhere, of another size, count or rate."""
    chunks = _chunks(content)
    if not chunks:
        return mutators.mutate_bytes(content, draw)
    index = draw.randrange(len(chunks))
    lists = [number for number, chunk in enumerate(chunks) if chunk.kind in (b"RIFF", b"LIST")]
    if lists and depth < 4 and (depth == 0 or draw.random() < 0.7):
        chunk = chunks[draw.choice(lists)]
        chunk.content = chunk.content[:4] + mutate_riff(chunk.content[4:], draw, depth + 1)
        chunk.size = len(chunk.content)
    else:
        chunk, way = chunks[index], draw.randrange(7)
        if way == 0:
            del chunks[index]
        elif way == 1:
            chunks.insert(draw.randrange(len(chunks) + 1), chunk)
        elif way == 2:
            chunks.append(chunks.pop(index))
        elif way == 3:
            chunk.size = draw.choice(_NUMBERS) % 2**32
        elif len(chunk.content) >= 4:
            at = 4 * draw.randrange(len(chunk.content) // 4)
            told = struct.pack("<I", draw.choice(_NUMBERS) % 2**32)
            chunk.content = chunk.content[:at] + told + chunk.content[at + 4 :]
    return b"".join(
        chunk.kind + struct.pack("<I", chunk.size) + chunk.content + bytes(len(chunk.content) % 2)
        for chunk in chunks
    )


_PACKET = 188


def mutate_packets(content: bytes, draw: random.Random) -> bytes:
    """One to four packets of an MPEG-TS: lost, twice, elsewhere, of another stream, or with other times."""
    packets = [bytearray(content[at : at + _PACKET]) for at in range(0, len(content), _PACKET)]
    for _ in range(draw.choice((1, 1, 2, 4))):
        index, other = draw.randrange(len(packets)), draw.randrange(len(packets))
        begins = [number for number, packet in enumerate(packets) if packet[1] & 0x40]
        way = draw.randrange(7)
        if way == 0 and len(packets) > 1:
            del packets[index]
        elif way == 1:
            packets.insert(other, bytearray(packets[index]))
        elif way == 2:
            packets[index], packets[other] = packets[other], packets[index]
        elif way == 3:
            packets[index][1:3] = packets[other][1:3]
        elif way == 4:
            packets[index][3] = draw.randrange(256)
            if len(packets[index]) > 4:
                packets[index][4] = draw.choice((0, 1, 7, 182, 183, 184, 255))
        elif begins:  # tables, and a picture's header with its times
            packet = packets[draw.choice(begins)]
            packet[draw.randrange(4, min(len(packet), 40))] = draw.randrange(256)
    return b"".join(map(bytes, packets))


def mutate_tags(content: bytes, draw: random.Random) -> bytes:
    """One to three tags of an FLV: lost, twice, elsewhere, of another size or time."""
    tags, at = list[bytes](), 13
    while at + 15 <= len(content):
        size = int.from_bytes(content[at + 1 : at + 4], "big") + 15
        tags.append(content[at : at + size])
        at += size
    for _ in range(draw.choice((1, 1, 2, 3))):
        if not tags:
            break
        index, other = draw.randrange(len(tags)), draw.randrange(len(tags))
        way = draw.randrange(6)
        if way == 0:
            del tags[index]
        elif way == 1:
            tags.insert(other, tags[index])
        elif way == 2:
            tags[index], tags[other] = tags[other], tags[index]
        elif way == 3:
            size = draw.choice((0, 1, 2**16, 2**24 - 1)).to_bytes(3, "big")
            tags[index] = tags[index][:1] + size + tags[index][4:]
        elif way == 4:
            told = draw.choice(_NUMBERS).to_bytes(8, "big")[-4:]
            tags[index] = tags[index][:4] + told[1:] + told[:1] + tags[index][8:]
        else:
            body = bytearray(tags[index])
            place = draw.randrange(11, min(len(body), 40))
            body[place] = draw.randrange(256)
            tags[index] = bytes(body)
    return content[:13] + b"".join(tags)


BY_SUFFIX = {
    ".mkv": mutate_elements,
    ".webm": mutate_elements,
    ".avi": mutate_riff,
    ".ts": mutate_packets,
    ".flv": mutate_tags,
}
