"""Own mutators: bytes of any file, the structure of JSON, the text of TOML, and addresses."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import onnx
from onnx import TensorProto, helper

from unit_edge.files.onnx_file import OPERATORS

_INTERESTING = (0, 1, 0x7F, 0x80, 0xFF)
_NUMBERS = (b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b"\x7f\xff\xff\xff", b"\x80\x00\x00\x00", b"\xff" * 8)
NASTY: tuple[Any, ...] = (
    None, True, 0, -1, 1, 2**31, 2**63 - 1, 2**64, -(2**63), 0.5, -0.0, 1e300, 1e-300, "", "x", "\x1b[2J\x07",
    "\ud800", "\u202e", "a" * 5000, "../../x", "fp12", [], {}, [[]], [1e300, 1], [0], ["x"], {"x": 1},
    [None] * 50,
)  # fmt: skip


def mutate_bytes(content: bytes, draw: random.Random) -> bytes:
    """One to eight changes of bytes."""
    data = bytearray(content)
    for _ in range(draw.choice((1, 1, 1, 2, 4, 8))):
        if not data:
            return bytes(data)
        at, size = draw.randrange(len(data)), draw.choice((1, 2, 4, 16, 64, 512))
        if draw.random() < 0.3:  # headers are where most is decided
            at = draw.randrange(min(len(data), 256))
        kind = draw.randrange(8)
        if kind == 0:
            data[at] ^= 1 << draw.randrange(8)
        elif kind == 1:
            data[at] = draw.choice(_INTERESTING)
        elif kind == 2:
            number = draw.choice(_NUMBERS)
            data[at : at + len(number)] = number
        elif kind == 3:
            data[at : at + size] = draw.randbytes(size)
        elif kind == 4:
            del data[at : at + size]
        elif kind == 5:
            data[at:at] = data[at : at + size]
        elif kind == 6:
            other = draw.randrange(len(data))
            data[at : at + size] = data[other : other + size]
        else:
            del data[at:]
    return bytes(data)


def mutate_json(value: Any, draw: random.Random) -> bytes:
    """One to four changes of what is where, and now and then of the text."""
    value = copy.deepcopy(value)
    for _ in range(draw.choice((1, 1, 2, 4))):
        places: list[tuple[Any, Any]] = []
        waiting = [value]
        while waiting:
            holder = waiting.pop()
            keys: Any = holder if isinstance(holder, dict) else range(len(holder))
            for key in keys:
                places.append((holder, key))
                if isinstance(holder[key], (dict, list)):
                    waiting.append(holder[key])
        if not places:
            break
        holder, key = draw.choice(places)
        kind = draw.randrange(5)
        if kind == 0:
            del holder[key]
        elif kind == 1 and isinstance(holder, dict):
            holder[draw.choice(("x", "\x1b", "", key + "_"))] = copy.deepcopy(draw.choice(NASTY))
        elif kind == 2:
            other_holder, other = draw.choice(places)
            try:
                holder[key] = copy.deepcopy(other_holder[other])
            except (KeyError, IndexError):
                holder[key] = None
        else:
            holder[key] = copy.deepcopy(draw.choice(NASTY))
    text = json.dumps(value).encode()
    if draw.random() < 0.05:
        text = text.replace(b"1", draw.choice((b"1e999", b"NaN", b"1" * 6000, b"[" * 5000)), 1)
    return mutate_bytes(text, draw) if draw.random() < 0.1 else text


_SIZES = (0, 1, 1, 2, 3, 4, 16, 300, 5000, 10**6, 2**31, 2**40, 2**62, -1, -2, -(2**63))
_ATTRIBUTES = (
    "axis", "axes", "perm", "pads", "strides", "kernel_shape", "dilations", "group", "blocksize", "to",
    "keepdims", "ceil_mode", "output_padding", "output_shape", "allowzero", "mode", "auto_pad", "transB",
    "start", "end",
)  # fmt: skip


def mutate_graph(content: bytes, draw: random.Random) -> bytes:
    """One to four operations that models may have, with inputs, stored data and attributes at random."""
    model = onnx.load_from_string(content)
    graph = model.graph
    names = ["frame", *(name for node in graph.node for name in node.output)]
    for turn in range(draw.choice((1, 1, 2, 4))):
        place = draw.randrange(len(graph.node) + 1)
        known = ["frame", *(name for node in list(graph.node)[:place] for name in node.output)]
        given = [draw.choice(known)]
        for number in range(draw.randrange(4)):
            if draw.random() < 0.3:
                given.append(draw.choice((*known, "")))
                continue
            name, kind = f"stored{turn}_{number}", draw.choice((TensorProto.INT64, TensorProto.FLOAT))
            count = draw.choice((0, 1, 2, 4, 4, 8))
            values = [draw.choice(_SIZES) for _ in range(count)]
            dims = draw.choice(([count], [count], [1, count], [count, 1]))
            graph.initializer.append(helper.make_tensor(name, kind, dims, values))
            given.append(name)
        node = graph.node.add(op_type=draw.choice(sorted(OPERATORS)), input=given, output=[f"made{turn}"])
        for name in draw.sample(_ATTRIBUTES, draw.randrange(3)):
            number = draw.choice(_SIZES)
            value: Any = (
                number
                if draw.random() < 0.5
                else [draw.choice(_SIZES) for _ in range(draw.choice((1, 2, 4)))]
            )
            node.attribute.append(helper.make_attribute(name, value))
        nodes = list(graph.node)
        nodes.insert(place, nodes.pop())
        following = [index for index in range(place + 1, len(nodes)) if nodes[index].input]
        if following and draw.random() < 0.8:
            user = nodes[draw.choice(following)]
            user.input[draw.randrange(len(user.input))] = f"made{turn}"
        kept = [onnx.NodeProto.FromString(one.SerializeToString()) for one in nodes]
        del graph.node[:]
        graph.node.extend(kept)
    if draw.random() < 0.1 and names:
        graph.output[0].name = draw.choice(names)
    return bytes(model.SerializeToString())


_TOKENS = (
    "-1", "0", "1e300", "9223372036854775808", "18446744073709551615", "1" * 6000, "nan", "inf", "true",
    '"x"', "[]",
    "[[[]]]", "{}", '"\\u001b[2J"', "[4, 4]", "[0, 0]", "1.5", '""', "1979-05-27", "[" * 3000,
    "a." * 500 + "b = 1",
    "0x7fffffffffffffff", "[1, 2, 3]", "65537",
)  # fmt: skip


def mutate_toml(text: str, draw: random.Random) -> bytes:
    """One to three values or lines changed."""
    lines = text.splitlines()
    for _ in range(draw.choice((1, 1, 2, 3))):
        at = draw.randrange(len(lines))
        key, equals, _ = lines[at].partition("=")
        kind = draw.randrange(6)
        if kind == 0:
            del lines[at]
        elif kind == 1:
            lines.insert(at, lines[draw.randrange(len(lines))])
        elif equals:
            lines[at] = f"{key}= {draw.choice(_TOKENS)}"
        if not lines:
            lines = [""]
    content = "\n".join(lines).encode("utf-8", "surrogatepass")
    return mutate_bytes(content, draw) if draw.random() < 0.2 else content


SECRET = "hUnTeR2"


def make_address(draw: random.Random) -> str:
    """An address or pipeline with a secret where secrets are."""
    host = draw.choice(("cam", "10.0.0.1", "[::1]", "cam.local", ""))
    port = draw.choice(("", ":554", ":99999", ":8581:1", ":x"))
    path = draw.choice(("", "/live", "/a/b", "/a@b", "/x?fps=5"))
    user = draw.choice((f"bob:{SECRET}@", f"bob:a b{SECRET}@", f"bob:a/{SECRET}@", f"bob:a@{SECRET}@"))
    name = draw.choice(
        (
            "password",
            "sig",
            "jwt",
            "token",
            "passphrase",
            "streamid",
            "key",
            "X-Amz-Signature",
            "accessKey",
            "cookie",
        )
    )
    scheme = draw.choice(("rtsp", "RTSP", "rtmp", "http", "https", "srt", "udp", "tcp", "ftp", "x"))
    slashes = draw.choice(("://", "://", "://", ":/", ":"))
    kind = draw.randrange(4)
    if kind == 0:
        return f"{scheme}{slashes}{user}{host}{port}{path}"
    if kind == 1:
        return f"{scheme}://{host or 'h'}{port}/live?fps=5&{name}={SECRET}{draw.choice(('', '&x=1', '#y'))}"
    if kind == 2:
        return f"rtmp://{host or 'h'}/app/{SECRET}"
    quoted = draw.choice((SECRET, f'"a {SECRET}"', f"'a {SECRET}'", f"a\\ {SECRET}", f'(string)"{SECRET}"'))
    return f"rtspsrc location=rtsp://{host or 'h'}/ user-pw={quoted} ! appsink"
