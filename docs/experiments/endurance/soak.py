"""Memory, threads and open files over thousands of frames of a file, or over minutes of a stream.

    python docs/experiments/endurance/soak.py CLIP --frames 5000
    python docs/experiments/endurance/soak.py --minutes 10

The first translates CLIP, over and over in one file, with a bundled model. The second records a stream of its
own (H.264, 640x360 and 30 FPS in MPEG-TS over HTTP on loopback), whose server is killed and started again
every minute. Both print what the process holds; the last line says how far that went apart after the start.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

sys.path[:0] = [
    str(Path(__file__).resolve().parents[3] / "tests" / part) for part in ("helpers", "runtime/helpers")
]
from live_servers import LiveServer, free_port  # noqa: E402

from unit_edge.registry import find_model  # noqa: E402
from unit_edge.runtime.pipeline import Stats  # noqa: E402
from unit_edge.runtime.sources.open import SourceOptions  # noqa: E402
from unit_edge.runtime.translate import translate  # noqa: E402

SIZE, FPS = (640, 360), 30
WARM_UP = 0.1  # of the run, in which arenas and queues fill


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path, nargs="?")
    parser.add_argument("--frames", type=int, default=5000)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--backend", default="auto")
    options = parser.parse_args()
    model = find_model("night", None)
    with tempfile.TemporaryDirectory(dir=".") as folder:
        output = Path(folder) / "out.mp4"
        if options.clip is None:
            watch = Watch(60 * options.minutes, 15, time.monotonic)
            _stream(model, output, 60 * options.minutes, watch, options.backend)
        else:
            source = Path(folder) / "in.mp4"
            count = _repeated(options.clip, source, options.frames)
            frames = [0]
            watch = Watch(count, 250, lambda: frames[0])

            def note(stats: Stats) -> None:
                frames[0] = stats.frames
                watch.look()

            stats = translate(source, output, model, backend=options.backend, progress=note)
            print(f"{stats.frames} frames, {stats.fps:.1f} FPS")
    watch.conclude()


class Watch:
    """Samples of this process, every so many frames or seconds."""

    def __init__(self, whole: float, every: float, now: Callable[[], float]) -> None:
        self._whole, self._every, self._now = whole, every, now
        self._began, self._next = now(), 0.0
        self._samples: list[tuple[float, int, int]] = []

    def look(self) -> None:
        passed = self._now() - self._began
        if passed < self._next:
            return
        self._next += self._every
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        mib, threads = pages * 4096 / 2**20, threading.active_count()
        files = sum(1 for _ in Path("/proc/self/fd").iterdir())
        print(f"{passed:7.0f}  {mib:7.1f} MiB  {threads} Python threads  {files} open files", flush=True)
        if passed >= WARM_UP * self._whole:
            self._samples.append((mib, threads, files))

    def conclude(self) -> None:
        memory, threads, files = zip(*self._samples, strict=True)
        print(
            f"after the first {WARM_UP:.0%}: memory {min(memory):.1f} to {max(memory):.1f} MiB "
            f"(middle ±{(max(memory) - min(memory)) / 2:.1f}), threads {min(threads)} to {max(threads)}, "
            f"open files {min(files)} to {max(files)}"
        )


def _repeated(clip: Path, target: Path, frames: int) -> int:
    """The clip again and again, without sound, until there are that many frames."""
    count, shift = 0, Fraction(0)
    with av.open(str(target), "w") as out:
        stream = None
        while count < frames:
            with av.open(str(clip)) as container:
                video = container.streams.video[0]
                stream = stream or out.add_stream_from_template(video)
                end = lead = Fraction(0)
                for packet in container.demux(video):
                    if packet.dts is None:
                        continue
                    ticks = round(shift / packet.time_base)
                    lead = max(lead, -packet.dts * packet.time_base)
                    end = max(end, (packet.pts + packet.duration) * packet.time_base)
                    packet.pts, packet.dts, packet.stream = packet.pts + ticks, packet.dts + ticks, stream
                    out.mux(packet)
                    count += 1
            shift += end + lead
    return count


def _stream(model: Path, output: Path, seconds: float, watch: Watch, backend: str) -> None:
    port, over = free_port(), threading.Event()

    def serve() -> None:
        noise = np.random.default_rng(0).integers(0, 256, (SIZE[1] // 20, SIZE[0] // 20, 3), dtype=np.uint8)
        scene = noise.repeat(20, 0).repeat(20, 1)
        while not over.is_set():
            with LiveServer(port=port, fps=FPS, size=SIZE, paint=lambda i: np.roll(scene, 4 * i, 1)):
                over.wait(57)
            over.wait(3)

    server = threading.Thread(target=serve, daemon=True)
    server.start()
    time.sleep(0.5)
    stats = translate(
        f"http://127.0.0.1:{port}/live",
        output,
        model,
        backend=backend,
        options=SourceOptions(duration=seconds),
        progress=lambda _: watch.look(),
    )
    over.set()
    server.join()
    with av.open(str(output)) as container:
        recorded = sum(1 for _ in container.demux(video=0)) - 1
    print(
        f"{stats.captured} frames came, {stats.dropped} dropped, {recorded} recorded; "
        f"{stats.reconnects} reconnections; "
        f"age {1e3 * stats.ages.percentile(50):.0f} ms, 95 % {1e3 * stats.ages.percentile(95):.0f} ms"
    )


if __name__ == "__main__":
    main()
