"""Mutators of what texts say: names that are there twice, TOML's tables, tensors' places, lists of files."""

from __future__ import annotations

import json
import random
from typing import Any

import mutators

_FAR = (0, 1, -1, 8, 2**31, 2**40, 2**63 - 1, 2**63, 2**64, 10**30, 0.5, "8", None, [], True)
_DTYPES = (
    "F64",
    "F32",
    "F16",
    "BF16",
    "F8_E4M3",
    "F4",
    "I8",
    "U64",
    "BOOL",
    "C64",
    "f32",
    "",
    "X",
    "\x1b[2J",
)
_SHAPES: tuple[Any, ...] = (
    [], [0], [-1], [2], [2**31], [2**40], [2**63], [2**32, 2**32], [2**21, 2**21, 2**22], [0, 2**63],
    [1] * 100, [1] * 5000, [0.5], ["2"], [[2]], None, 2, {},
)  # fmt: skip


class _Twice(str):
    """A name that differs from an equal one, so that a dictionary holds both."""

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__  # type: ignore[assignment]


def mutate_tensors(content: bytes, draw: random.Random) -> bytes:
    """One to three entries of a safetensors header: places that overlap, types, shapes, names twice."""
    size = int.from_bytes(content[:8], "little")
    header: dict[str, Any] = json.loads(content[8 : 8 + size])
    data = content[8 + size :]
    for _ in range(draw.choice((1, 1, 2, 3))):
        names = [name for name in header if name != "__metadata__"]
        if not names:
            break
        name = draw.choice(names)
        about, way = header[name], draw.randrange(10)
        if not isinstance(about, dict):
            continue
        if way == 0:
            about["dtype"] = draw.choice(_DTYPES)
        elif way == 1:
            about["shape"] = draw.choice(_SHAPES)
        elif way == 2:
            about["data_offsets"] = [draw.choice(_FAR), draw.choice(_FAR)]
        elif way == 3:
            about["data_offsets"] = draw.choice(([8, 0], [0], [0, 4, 8], [0, len(data) + 1], [-8, 0], "08"))
        elif way == 4:  # of a shape that fits none of the data
            about["shape"], about["data_offsets"] = [2**32, 2**31], [0, 2**63 % 2**64]
        elif way == 5:  # two in one place
            header[draw.choice(("x", f"{name}.x", "a" * 5000, "\x1b[2J", ""))] = dict(about)
        elif way == 6:
            header[_Twice(name)] = draw.choice((dict(about), None, {"dtype": "F32"}))
        elif way == 7:
            del header[name]
        elif way == 8:
            header["__metadata__"] = draw.choice(({"a": 1}, [], "x", {"a": None}, {"\ud800": "x"}, {}))
        else:
            header |= {f"more.{number}": dict(about) for number in range(draw.choice((1, 100, 20_000)))}
    text = json.dumps(header).encode()
    text += b" " * draw.choice((0, 0, -len(text) % 8, 100_000))
    return len(text).to_bytes(8, "little") + text + data


def mutate_names(value: Any, draw: random.Random) -> bytes:
    """JSON in which one to three names are there twice, once more deep inside, or spelt otherwise."""
    for _ in range(draw.choice((1, 1, 2, 3))):
        holders, waiting = list[dict[str, Any]](), [value]
        while waiting:
            held = waiting.pop()
            if isinstance(held, dict) and held:
                holders.append(held)
            waiting += held.values() if isinstance(held, dict) else held if isinstance(held, list) else ()
        if not holders:
            break
        holder = draw.choice(holders)
        name = draw.choice(list(holder))
        way = draw.randrange(5)
        if way < 2:
            holder[_Twice(name)] = draw.choice((holder[name], *mutators.NASTY))
        elif way == 2:
            holder[draw.choice((name.upper(), f" {name}", f"{name}\0", name + "\u0301"))] = holder[name]
        elif way == 3:
            for _ in range(draw.choice((1, 30, 400))):
                holder[name] = draw.choice(({name: holder[name]}, [holder[name]]))
        else:
            holder |= {f"{name}{number}": 0 for number in range(draw.choice((1, 1000, 100_000)))}
    return json.dumps(value).encode()


_LINES = (
    "[{table}]", "[[{table}]]", "[{table}.x]", "[{table}.{name}]", "{name}.x = 1", "{table}.{name} = 1",
    '"{name}" = 1', "'{name}' = 1", '"{name}\\u0000" = 1', "{name} = {{ x = 1, x = 2 }}", "[]", "[.]",
    "[a..b]", '{name} = """', "{name} = [[1], ['x'], [{{}}]]", "{name} = 1 {name} = 2", "= 1", "{name} =",
    '{name} = "\\ud800"', "{name} = 0b11", "{name} = 0o17", "{name} = 1_000", "{name} = +1", "{name} = 01",
    "{name} = 1e400", "{name} = -nan", "{name} = 10:00:00", "{name} = 9999-12-31T23:59:60+99:99", "\ufeff",
    '"" = 1', "\x1b = 1", "# \x07", "[{table}]\r[{table}]",
)  # fmt: skip


def mutate_tables(text: str, draw: random.Random) -> bytes:
    """One to three lines more: tables again, as lists or inside a value, names twice or with dots."""
    lines = text.splitlines()
    tables = [line.strip("[] ") for line in lines if line.startswith("[")] or ["x"]
    names = [line.partition("=")[0].strip() for line in lines if "=" in line and line[0] != "#"] or ["x"]
    for _ in range(draw.choice((1, 1, 2, 3))):
        line = draw.choice(_LINES).format(table=draw.choice(tables), name=draw.choice(names))
        if draw.random() < 0.7:
            lines.insert(draw.randrange(len(lines) + 1), line)
        elif lines:
            lines[draw.randrange(len(lines))] = line
    if draw.random() < 0.1:
        depth = draw.choice((50, 500, 5000))
        lines.append(draw.choice(("x = {open}{close}", "x = {many}1{end}")).format(
            open="[" * depth, close="]" * depth, many="{ a = " * depth, end=" }" * depth
        ))  # fmt: skip
    return "\n".join(lines).encode("utf-8", "surrogatepass")


SUFFIXES = (
    ".m3u8", ".m3u", ".ffconcat", ".txt", ".sdp", ".mpd", ".mp4", ".mkv", ".ts", ".png", ".pls", ".xspf",
)  # fmt: skip
_HEADS = (
    "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:1\n", "#EXTM3U\n", "ffconcat version 1.0\n", "",
    "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n", "[playlist]\n",
    '<?xml version="1.0"?>\n<MPD><Period><AdaptationSet><Representation><BaseURL>',
    '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>\n<MPD>&a;',
)  # fmt: skip
_ENTRIES = (
    "{place}", "file '{place}'", "file {place}", "#EXTINF:1,\n{place}", "#EXTINF:1e999,\n{place}",
    '#EXT-X-MAP:URI="{place}"\n#EXTINF:1,\n{place}', '#EXT-X-KEY:METHOD=AES-128,URI="{place}"\n#EXTINF:1,\nx',
    "#EXT-X-BYTERANGE:{number}@{number}\n{place}", "#EXT-X-TARGETDURATION:{number}", "duration {number}",
    "inpoint {number}\noutpoint -{number}", "#EXT-X-MEDIA-SEQUENCE:{number}", "#EXT-X-ENDLIST",
    "File1={place}", "#EXT-X-STREAM-INF:BANDWIDTH={number}\n{place}", "option f {place}",
    "stream\nexact_stream_id {number}",
)  # fmt: skip
_PLACES = (
    "clip.mp4", "{good}/clip.mp4", "file://{good}/clip.mp4", "/etc/passwd", "file:///etc/passwd", "{itself}",
    "../../../etc/passwd", "http://127.0.0.1:1/x.ts", "concat:{good}/clip.ts|/etc/passwd",
    "subfile,,start,0,end,64,,:/etc/passwd", "data:text/plain,x", "crypto:{good}/clip.ts", "pipe:0",
    "/dev/zero", "/dev/stdin", "rtsp://127.0.0.1:1/x", "udp://127.0.0.1:1", "lavfi:testsrc", "\x1b[2J.mp4",
    "a" * 5000, "", "{good}/a.png", "{good}", "*.mp4", "tcp://127.0.0.1:1",
)  # fmt: skip
_TOLD = (0, 1, -1, 10**9, 2**31, 2**63, 2**64, "nan", "1e300", "9" * 400, "x", "")


def make_playlist(good: str, itself: str, draw: random.Random) -> bytes:
    """A list of other files, or a text that would be one."""
    text = draw.choice(_HEADS)
    for _ in range(draw.choice((0, 1, 2, 5, 2000))):
        place = draw.choice(_PLACES).format(good=good, itself=itself)
        text += draw.choice(_ENTRIES).format(place=place, number=draw.choice(_TOLD)) + "\n"
    content = text.encode()
    return mutators.mutate_bytes(content, draw) if draw.random() < 0.1 else content


_LISTED = (
    *_PLACES, "{good}/clip.mkv", "./clip.mp4", "~/clip.mp4", "$HOME/clip.mp4", "s3://b/a.mp4",
    "gs://b/a.mp4", "x://b/a.mp4", "http://[x/a.mp4", "http://[::1/a.mp4",
    "http://bob:hUnTeR2@h/a.mp4?sig=x", "file://{good}/clip.mp4", "file:///dev/zero.mp4", "s3:///a.mp4",
    "s3://", "://a.mp4", "a\0.mp4", "a\x0b.mp4", "\u2028a.mp4", "\u202ea.mp4",
    "{good}/" + "a" * 300 + ".mp4", "/" * 5000 + "a.mp4", ".mp4", "..mp4", " .mp4", "C:\\a.mp4",
    "{itself}.mp4", "{good}/a.png", "{good}/%2e%2e/a.mp4", "http://127.0.0.1:1/%2e%2e%2fa.mp4",
    "http://127.0.0.1:1/a%00.mp4", "-a.mp4",
)  # fmt: skip
_CALLED = (
    "a.mp4", "a/b.mp4", "../a.mp4", "/a.mp4", "a//b.mp4", ".a.mp4", ".unit-edge-fleet/a.mp4", "a", "",
    "a.mp4\tb.mp4", "a.MP4", "a.mp4.", "a\x1b[2J.mp4", "\u202e4pm.mp4", "a" * 300 + ".mp4",
    "a/" * 600 + "b.mp4", "a\\b.mp4", "con.mp4", "a.mp4/b.mp4", "e\u0301.mp4", "\u00e9.mp4",
    "a\u2028b.mp4",
)  # fmt: skip


def make_list(good: str, itself: str, draw: random.Random) -> bytes:
    """A fleet's list: paths and URLs, a line each, some with a name behind a tab."""
    lines = []
    for _ in range(draw.choice((0, 1, 1, 2, 5, 2000))):
        line = draw.choice(_LISTED).format(good=good, itself=itself)
        if draw.random() < 0.4:
            line += f"\t{draw.choice(_CALLED)}"
        lines.append(line if draw.random() < 0.9 else f"#{line}")
    content = draw.choice(("\n", "\n", "\r\n", "\r", "\x85")).join(lines).encode()
    way = draw.random()
    if way < 0.1:
        return content.decode().encode("utf-16")
    return mutators.mutate_bytes(content, draw) if way < 0.3 else content
