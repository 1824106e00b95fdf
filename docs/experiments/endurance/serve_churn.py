"""`unit-edge serve` under viewers that come and go, for hours: what the process holds, round by round.

    python docs/experiments/endurance/serve_churn.py --minutes 60 --fps 50

A server of its own on loopback shows a clip of 320x240 by a stand-in for the model. Each round has viewers by
WebRTC who leave, some without a word; viewers of JPEGs, of which one reads nothing; listeners to events; a
recording, an upload that is removed, one that isn't and has to make room; pause, steady, and the other model.
After each round, with nobody there, the memory, file descriptors, threads, children and temporary folders of
the server are counted. It prints a line a minute; at the end, of the second and the last fifth of the rounds,
the median of the memory and the most of what else there was, and exits with 1 if that has become more.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import os
import socket
import statistics
import sys
import tempfile
import time
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

sys.path[:0] = [
    str(Path(__file__).resolve().parents[3] / "tests" / part) for part in ("helpers", "runtime/helpers")
]
from makers import make_clip, make_model  # noqa: E402
from serve_server import SIZE, Server, paint  # noqa: E402
from webrtc_receiver import viewer  # noqa: E402

_FRAMES = 10
_REST_S = 2.0


@dataclass(frozen=True)
class Held:
    """What a process holds; memory in MiB."""

    memory: float
    descriptors: int
    threads: int
    children: int
    folders: int


def held(pid: int, uploads: Path) -> Held:
    proc = Path("/proc") / str(pid)
    status = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines())
    return Held(
        memory=int(status["VmRSS"].split()[0]) / 1024,
        descriptors=sum(1 for _ in (proc / "fd").iterdir()),
        threads=int(status["Threads"]),
        children=len((proc / "task" / str(pid) / "children").read_text().split()),
        folders=sum(1 for _ in uploads.glob("unit-edge-uploads-*/*")),
    )


async def look(server: Server, quality: str, *, silently: bool) -> int:
    """Some frames by WebRTC; `silently` leaves without an end of the connection."""
    count = 0
    async with viewer(server.url, quality, pictures=False) as (frames, channel):
        async for _ in frames:
            count += 1
            if count >= _FRAMES:
                break
        if silently:
            transport = channel.transport.transport
            await transport.transport.stop()  # ICE alone: no word of DTLS or SCTP
    return count


class Jpegs:
    """Viewers of JPEGs and listeners to events, each a socket; the first one reads nothing."""

    def __init__(self, port: int, count: int) -> None:
        self.sockets = []
        for number in range(count):
            sock = socket.create_connection(("127.0.0.1", port), timeout=30)
            path = (
                "/api/events" if number % 4 == 3 else f"/stream.mjpeg?quality={('high', 'low')[number % 2]}"
            )
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            self.sockets.append(sock)

    def read(self, seconds: float) -> int:
        end, got = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            for sock in self.sockets[1:]:
                got += len(sock.recv(1 << 16))
        return got

    def leave(self) -> None:
        for number, sock in enumerate(self.sockets):
            if number % 2:  # a reset instead of an end
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            sock.close()


def switches(server: Server, number: int) -> None:
    for on in (True, False):
        server.post("/api/pause", {"on": on})
        server.post("/api/steady", {"on": on})
    server.post("/api/model", {"model": ("identity", "invert")[number % 2]})


def upload(server: Server, content: bytes, *, forget: bool) -> None:
    """An upload until it is translated and fetched."""
    status, _, answer = server.ask("/api/uploads", raw=content)
    if status != 201:
        raise SystemExit(f"upload: {status} {answer!r}")
    id_ = server.state()["uploads"]["jobs"][-1]["id"]
    job: dict[str, Any] = {}

    def ended(state: dict[str, Any]) -> bool:
        nonlocal job
        job = next(one for one in state["uploads"]["jobs"] if one["id"] == id_)
        return job["state"] in ("done", "failed")

    server.until(ended, 120)
    if job["state"] != "done":
        raise SystemExit(f"upload: {job['error']}")
    for file in job["files"]:
        server.ask(file["url"])
    if forget:
        server.ask(f"/api/uploads/{id_}", method="DELETE")


def broken(server: Server) -> None:
    """Requests that are none, or break off."""
    for said in (
        b"",
        b"GET ",
        b"POST /api/uploads HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999\r\n\r\nx",
    ):
        with socket.create_connection(("127.0.0.1", server.port)) as sock:
            sock.sendall(said)
    with contextlib.suppress(ConnectionError, http.client.HTTPException):
        server.ask("/api/webrtc", {"sdp": "v=0\r\n", "quality": "high"})


async def one_round(server: Server, clip: bytes, number: int) -> None:
    server.post("/api/record", {"on": True})
    jpegs = await asyncio.to_thread(Jpegs, server.port, 8)
    both = [look(server, ("high", "low")[turn % 2], silently=turn == number % 3) for turn in range(2)]
    await asyncio.gather(*both, asyncio.to_thread(jpegs.read, 2.0))
    await asyncio.to_thread(switches, server, number)
    jpegs.leave()
    server.post("/api/record", {"on": False})
    await asyncio.to_thread(broken, server)
    await asyncio.to_thread(upload, server, clip, forget=bool(number % 2))
    await asyncio.to_thread(
        server.until, lambda s: not (s["recording"]["on"] or sum(s["viewers"].values())), 120
    )
    for recording in server.folder.glob("20*.mp4"):
        recording.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--fps", type=int, default=50)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = make_clip(folder, frames=150, size=SIZE, fps=options.fps, paint=paint)
        short = make_clip(folder, "short.mp4", frames=10, size=(64, 48)).read_bytes()
        models = [
            make_model(folder, "invert", source="plain", target="inverted"),
            make_model(folder, "identity", source="inverted", target="plain"),
        ]
        (folder / "tmp").mkdir()
        os.environ["TMPDIR"] = str(folder / "tmp")
        given = [part for model in models for part in ("--model", str(model))]
        with Server(str(clip), *given, cwd=folder) as server:
            kept = asyncio.run(rounds(server, short, options.minutes))
            frames = server.state()["frames"]
            ended = server.stop()
    fifth = max(1, len(kept) // 5)
    early, late = kept[fifth : 2 * fifth] or kept, kept[-fifth:]
    more = []
    for index, field in enumerate(fields(Held)):
        summed_up = statistics.median if field.name == "memory" else max
        first, last = (summed_up(astuple(one)[index] for one in part) for part in (early, late))
        print(f"{field.name}: {first:.6g} early, {last:.6g} late")
        if last > first and field.name != "memory":
            more.append(field.name)
    print(f"{len(kept)} rounds, {frames} frames; exit code {ended}")
    if more or ended:
        raise SystemExit(f"more of {', '.join(more)}" if more else "the server failed")


async def rounds(server: Server, clip: bytes, minutes: float) -> list[Held]:
    kept: list[Held] = []
    began, told = time.monotonic(), 0.0
    while (passed := time.monotonic() - began) < 60 * minutes:
        await one_round(server, clip, len(kept))
        await asyncio.sleep(_REST_S)
        for _ in range(30):  # what translated the upload may still be ending
            now = held(server.process.pid, server.folder / "tmp")
            if not now.children:
                break
            await asyncio.sleep(1)
        kept.append(now)
        if passed >= told:
            told += 60
            print(f"{passed:5.0f} s, round {len(kept)}: {kept[-1]}", flush=True)
    return kept


if __name__ == "__main__":
    main()
