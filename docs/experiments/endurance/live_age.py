"""Age of shown frames over time: a live stream of 30 FPS, and a backend that makes 12.

    python docs/experiments/endurance/live_age.py --minutes 10

Starts its own MPEG-TS server (H.264, 1280x720, over HTTP on loopback), reads it like any network camera, and
prints a line every 15 s: the ages from a frame's arrival to the end of its writing, in ms. The backend is a
stand-in that waits for 1/12 s. `--queue` shows what happens without dropping: a plain loop that reads, waits
and writes every frame, its lag taken from the numbers in the pictures.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

sys.path[:0] = [
    str(Path(__file__).resolve().parents[3] / "tests" / part) for part in ("helpers", "runtime/helpers")
]
from doubles import AddRunner, ListSink  # noqa: E402
from live_servers import LiveServer  # noqa: E402

from unit_edge.frames import Frame  # noqa: E402
from unit_edge.runtime.ages import Ages  # noqa: E402
from unit_edge.runtime.pipeline import Stats, run  # noqa: E402
from unit_edge.runtime.sources.open import SourceOptions, open_source  # noqa: E402
from unit_edge.text.address import parse_address  # noqa: E402

FPS, BACKEND_FPS, SIZE, EVERY_S = 30, 12, (1280, 720), 15
BITS = 12  # of a frame's number, as black and white squares in its first row


def paint(index: int) -> np.ndarray:
    image = np.full((SIZE[1], SIZE[0], 3), 60, np.uint8)
    for bit in range(BITS):
        image[:64, 64 * bit : 64 * (bit + 1)] = 255 * (index >> bit & 1)
    return image


def number(image: np.ndarray) -> int:
    return sum(int(image[32, 64 * bit + 32].mean() > 128) << bit for bit in range(BITS))


class Server(LiveServer):
    """Knows which frame it sends now."""

    now = 0

    def note(self, index: int) -> np.ndarray:
        self.now = index
        return paint(index)


class CountingSink(ListSink):
    """Keeps none of the frames, but how many the stream is ahead of each."""

    def __init__(self, newest: Callable[[], int]) -> None:
        super().__init__()
        self.behind, self._newest = 0, newest

    def write(self, frame: Frame) -> None:
        self.behind = (self._newest() - number(frame.image - np.uint8(100))) % (1 << BITS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--queue", action="store_true", help="a plain loop instead, for comparison")
    options = parser.parse_args()
    server = Server("mpegts", fps=FPS, size=SIZE)
    server.paint = server.note
    print(f"{SIZE[0]}x{SIZE[1]}, {FPS} FPS in, backend {BACKEND_FPS} FPS, OpenCV {cv2.__version__}")
    with server:
        (_queue if options.queue else _newest)(server, 60 * options.minutes)


def _newest(server: Server, seconds: float) -> None:
    sink = CountingSink(lambda: server.now)
    began, printed, lot = time.monotonic(), 0, Ages()

    def show(stats: Stats) -> None:
        nonlocal printed, lot
        if stats.ages.last_s is not None:
            lot.add(stats.ages.last_s)
        passed = time.monotonic() - began
        if passed >= (printed + 1) * EVERY_S:
            printed += 1
            age = {percent: round(1e3 * lot.percentile(percent)) for percent in (50, 95, 100)}
            print(
                f"{passed:6.0f} s  age {age[50]:4} ms, 95 % {age[95]:4}, most {age[100]:4}; "
                f"{sink.behind} frames behind the sender; {stats.fps:.1f} FPS, "
                f"{stats.dropped} of {stats.captured} dropped",
                flush=True,
            )
            lot = Ages()

    options = SourceOptions(duration=seconds)
    with open_source(parse_address(server.url), options) as source:
        stats = run(source, AddRunner(seconds=1 / BACKEND_FPS), sink, show)
    print(f"in all: {stats.captured} captured = {stats.shown} shown + {stats.dropped} dropped")


def _queue(server: Server, seconds: float) -> None:
    capture = cv2.VideoCapture(server.url, cv2.CAP_FFMPEG)
    began, printed = time.monotonic(), 0
    while (passed := time.monotonic() - began) < seconds:
        good, image = capture.read()
        if not good:
            break
        time.sleep(1 / BACKEND_FPS)
        if passed >= (printed + 1) * EVERY_S:
            printed += 1
            behind = (server.now - number(image)) % (1 << BITS)
            print(f"{passed:6.0f} s  {behind} frames behind the sender", flush=True)
    capture.release()


if __name__ == "__main__":
    main()
