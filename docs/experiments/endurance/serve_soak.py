"""`unit-edge serve` under viewers: minutes of WebRTC, and what fifty viewers of JPEGs cost the translation.

    python docs/experiments/endurance/serve_soak.py webrtc --minutes 10
    python docs/experiments/endurance/serve_soak.py crowd --viewers 50
    python docs/experiments/endurance/serve_soak.py cost --fps 10

All start a server of their own on loopback with a bundled model at 640x360, or with --fps a stand-in that
inverts, on a clip of that rate. `webrtc` prints a line a minute: frames, their age when decoded here, and
what the server holds; the last line says how far its memory went apart after two minutes. `crowd` measures
the translation without viewers and with them, in turns. `cost` counts processor time instead, which tells
more on a machine that has other things to do: of the whole server, of its thread for HTTP and of the busiest
other one, a frame, with 0, 1, 10 and 50 viewers of JPEGs, and how many JPEGs were encoded.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

sys.path[:0] = [
    str(Path(__file__).resolve().parents[3] / "tests" / part) for part in ("helpers", "runtime/helpers")
]
from makers import make_clip, make_model  # noqa: E402
from serve_server import Server  # noqa: E402
from webrtc_receiver import viewer  # noqa: E402

SIZE = 640, 360
WARM_S = 120


def paint(index: int) -> np.ndarray:
    """A street of stripes that goes by, with some noise, as cameras have it."""
    x = np.arange(SIZE[0])[None, :, None] + 6 * index
    y = np.arange(SIZE[1])[:, None, None]
    image = 120 + 60 * np.sin(x / 40) * np.cos(y / 30 + np.arange(3)) + 20 * ((x // 50 + y // 40) % 2)
    noise = np.random.default_rng(index).normal(0, 3, (*SIZE[::-1], 3))
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def started(folder: Path, fps: int | None) -> Server:
    clip = make_clip(folder, frames=100, size=SIZE, fps=fps or 25, paint=paint)
    if fps is None:
        return Server(str(clip), "--to", "night", cwd=folder)
    return Server(str(clip), "--model", str(make_model(folder, "invert")), cwd=folder)


async def webrtc(server: Server, minutes: float) -> None:
    ages: list[float] = []
    everything: list[float] = []
    memory: list[tuple[float, float]] = []
    frames, began, told = 0, time.monotonic(), 0
    ticks = load([])[0]
    async with viewer(server.url, pictures=False) as (pictures, _):
        async for received in pictures:
            now = time.monotonic() - began
            frames += 1
            if received.age_s is not None:
                ages.append(received.age_s)
            if now >= (told + 1) * min(60.0, 60 * minutes):
                told += 1
                state = await asyncio.to_thread(server.state)
                figures = state["figures"]
                memory.append((now, figures["memory_mib"]))
                everything += ages
                p50, p95, p99 = np.percentile(ages, [50, 95, 99]) * 1000
                here = len(ages) / min(60.0, 60 * minutes)
                ticks, busy, nice = load(ticks)
                print(
                    f"{now:5.0f} s  {here:.1f} FPS here, {figures['fps']:.1f} there; "
                    f"age {p50:.0f} ms, 95 % {p95:.0f}, 99 % {p99:.0f}; {figures['memory_mib']:.1f} MiB; "
                    f"processors {busy:.0%} at work, {nice:.0%} for nice'd programs",
                    flush=True,
                )
                ages = []
            if now >= 60 * minutes:
                break
    p50, p95, p99 = np.percentile(everything or ages, [50, 95, 99]) * 1000
    fps = frames / (time.monotonic() - began)
    settled = [mib for at, mib in memory if at > WARM_S] or [mib for _, mib in memory]
    print(
        f"in all: {frames} frames, {fps:.1f} FPS; age {p50:.0f} ms, 95 % {p95:.0f} "
        f"(goal: 250 and a frame's {1000 / fps:.0f}), 99 % {p99:.0f}; "
        f"memory {min(settled):.1f} to {max(settled):.1f} MiB"
    )


def load(before: list[int]) -> tuple[list[int], float, float]:
    """Ticks of all processors, and of them the shares at work and taken by nice'd programs since `before`."""
    now = [int(value) for value in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    spent = [b - a for a, b in zip(before or [0] * 8, now, strict=True)]
    total = max(1, sum(spent))
    return now, 1 - (spent[3] + spent[4]) / total, spent[1] / total


class Crowd:
    """Viewers of JPEGs in one thread each, which read as fast as they can and throw it away."""

    def __init__(self, port: int, viewers: int) -> None:
        self.bytes, self._leave = 0, threading.Event()
        self._threads = [threading.Thread(target=self._read, args=(port,)) for _ in range(viewers)]

    def __enter__(self) -> Crowd:
        for thread in self._threads:
            thread.start()
        return self

    def _read(self, port: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.sendall(b"GET /stream.mjpeg HTTP/1.1\r\nHost: localhost\r\n\r\n")
            while not self._leave.is_set():
                came = len(sock.recv(1 << 18))  # not in one line: the sum would be read before the wait
                self.bytes += came

    def __exit__(self, *_: object) -> None:
        self._leave.set()
        for thread in self._threads:
            thread.join()


def rate(server: Server, seconds: float) -> float:
    """Translated frames a second."""
    first = server.state()
    time.sleep(seconds)
    last = server.state()
    return float((last["frames"] - first["frames"]) / (last["uptime_s"] - first["uptime_s"]))


def crowd(server: Server, viewers: int, rounds: int, seconds: float) -> None:
    shares = []
    for number in range(rounds):
        before = rate(server, seconds)
        with Crowd(server.port, viewers) as many:
            time.sleep(1)
            began, sent = time.monotonic(), many.bytes
            during = rate(server, seconds)
            mib_s = (many.bytes - sent) / 2**20 / (time.monotonic() - began)
        time.sleep(1)
        after = rate(server, seconds)
        shares.append(during / statistics.fmean([before, after]))
        print(
            f"round {number + 1}: {before:.2f} FPS without, {during:.2f} with {viewers} viewers "
            f"({mib_s:.0f} MiB/s), {after:.2f} without",
            flush=True,
        )
    print(
        f"in all: with {viewers} viewers {1 - statistics.median(shares):.1%} fewer frames, median of "
        f"{rounds} rounds (goal: less than 10 %)"
    )


def encoded(server: Server) -> int:
    """JPEGs of the high quality that were encoded so far."""
    name = 'unit_edge_encoded_frames_total{quality="high",transport="mjpeg"} '
    lines = server.ask("/metrics")[2].decode().splitlines()
    return round(float(next(line for line in lines if line.startswith(name)).removeprefix(name)))


def reading(server: Server, crowd: Crowd) -> dict[str, float]:
    """Sums since the start: processor time of the server and its busiest thread, frames, JPEGs, bytes."""
    spent = {}
    for task in Path(f"/proc/{server.process.pid}/task").iterdir():
        fields = (task / "stat").read_text().rpartition(")")[2].split()
        spent[int(task.name)] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return {
        "all_s": sum(spent.values()),
        "loop_s": spent.pop(server.process.pid),
        "model_s": max(spent.values()),
        "frames": server.state()["frames"],
        "jpegs": encoded(server),
        "bytes": crowd.bytes,
    }


def cost(server: Server, seconds: float) -> None:
    for viewers in (0, 1, 10, 50):
        with Crowd(server.port, viewers) as many:
            time.sleep(2)
            before, began = reading(server, many), time.monotonic()
            time.sleep(seconds)
            after, passed = reading(server, many), time.monotonic() - began
        spent = {name: after[name] - before[name] for name in before}
        frames = max(1.0, spent["frames"])
        a_frame = {name: 1000 * value / frames for name, value in spent.items() if name.endswith("_s")}
        print(
            f"{viewers:2} viewers: {frames / passed:.2f} FPS; processor time a frame "
            f"{a_frame['all_s']:.1f} ms in all, {a_frame['loop_s']:.1f} ms for HTTP, "
            f"{a_frame['model_s']:.1f} ms in the busiest other thread; "
            f"{spent['jpegs'] / frames:.2f} JPEGs encoded a frame, "
            f"{spent['bytes'] / 2**20 / passed:.1f} MiB/s",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("webrtc", "crowd", "cost"))
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--viewers", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=8, help="of each measurement of the crowd")
    parser.add_argument("--fps", type=int, help="a stand-in for the model, on a clip of so many FPS")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, started(Path(folder), options.fps) as server:
        if options.what == "webrtc":
            asyncio.run(webrtc(server, options.minutes))
        elif options.what == "cost":
            cost(server, options.seconds)
        else:
            crowd(server, options.viewers, options.rounds, options.seconds)


if __name__ == "__main__":
    main()
