"""Hours of a camera in minutes, with what happens to a computer meanwhile.

    python docs/experiments/endurance/hours.py --hours 8 --speed 10
    python docs/experiments/endurance/hours.py --hours 1 --small-disk /mnt/3-mib

The camera is a pipe that gets `speed` times 30 frames of 64x48 a second, and the back end 255 minus the
frame, so that a process handles the frames of so many hours in a `speed`th of the time. A process records it
as `translate` records a camera. Meanwhile Python's clock is set an hour forward and back, twice (time.time;
the one that can't be set is the system's), the process is stopped for a minute and goes on, and the camera is
unplugged for 5 s, again and again. Before that, the output is removed under a recording, and a disk runs full
and is freed (with --small-disk, a folder on a file system of a few MiB). It prints what was counted and what
the process held, and exits with 1 if anything is not as it should be.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

SIZE, FPS = (64, 48), 30
_BYTES = SIZE[0] * SIZE[1] * 3
_CLIP_FRAMES = 600
_SAMPLES = 200
_WARM_UP = 0.1
_STOPPED_S, _UNPLUGGED_S = 60, 5
_HOUR = 3600


class PipeCamera:
    """A capture of raw frames from a named pipe; the pipe's end is the camera's loss."""

    def __init__(self, pipe: Path) -> None:
        from unit_edge.errors import SourceError

        self.fps = None
        try:  # waits for no writer, as a camera that isn't plugged in
            self._file = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        except OSError:
            raise SourceError from None
        self._frame = bytearray(_BYTES)

    def grab(self) -> bool:
        place, waited = 0, 0
        while place < _BYTES:
            try:
                data = os.read(self._file, _BYTES - place)
            except BlockingIOError:
                time.sleep(0.001)
                continue
            if not data:
                waited += 1
                if waited > 100 or place:
                    return False
                time.sleep(0.01)
                continue
            self._frame[place : place + len(data)] = data
            place += len(data)
        return True

    def retrieve(self) -> NDArray[np.uint8]:
        return np.frombuffer(bytes(self._frame), np.uint8).reshape(SIZE[1], SIZE[0], 3)

    def release(self) -> None:
        os.close(self._file)


def record(pipe: Path, output: Path, seconds: float) -> int:
    """The recording process: prints a line of JSON now and then, and one at the end."""
    from unit_edge.errors import UnitEdgeError
    from unit_edge.interrupt import Interrupted
    from unit_edge.registry import bundled_models
    from unit_edge.runtime.backends.base import Opened
    from unit_edge.runtime.pipeline import Stats, run
    from unit_edge.runtime.sinks.video.parts import find_kept
    from unit_edge.runtime.sinks.video.sink import VideoSink
    from unit_edge.runtime.sources.live import LiveSource

    class Stub:
        backend, manifest = "stub", bundled_models()[0][1]

        def infer(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
            return 255 - frames

    clock, real = pipe.with_suffix(".clock"), time.time
    time.time = lambda: real() + float(clock.read_text() or 0)
    began, every = time.monotonic(), seconds / _SAMPLES
    due, offsets, last = [0.0], {0}, Stats()

    def note(stats: Stats) -> None:
        nonlocal last
        last = stats
        passed = time.monotonic() - began
        offsets.add(round(time.time() - real()))
        if passed >= due[0]:
            due[0] += every
            print(json.dumps({"at": passed, **held()}), flush=True)

    making = {"input": "the pipe"}
    end: dict[str, Any] = {}
    code = 0
    try:
        kept = find_kept(output, making)
        source = LiveSource("camera", lambda: PipeCamera(pipe), duration_s=seconds)
        with Opened(Stub()) as runner, source:  # type: ignore[arg-type]
            sink = VideoSink(
                output, source.info, preset="ultrafast", making=making, kept=kept, after_kept=True, live=True
            )
            run(source, runner, sink, note)
    except Interrupted as error:
        end["said"], code = str(error), 128 + error.signal_number
    except UnitEdgeError as error:
        end["said"], code = str(error), 1
    end |= {
        "captured": last.captured,
        "shown": last.shown,
        "dropped": last.dropped,
        "reconnects": last.reconnects,
        "age_ms": 1e3 * last.ages.percentile(50) if last.shown else None,
        "clocks": sorted(offsets),
    }
    print(json.dumps(end), flush=True)
    return code


def held() -> dict[str, float]:
    """What this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "mib": pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
        "threads": len(list(Path("/proc/self/task").iterdir())),
        "files": len(list(Path("/proc/self/fd").iterdir())),
    }


class Camera(threading.Thread):
    """Writes frames into the pipe at its rate, whoever reads them; it can be unplugged."""

    def __init__(self, pipe: Path, rate: float) -> None:
        super().__init__(daemon=True)
        self._pipe, self._rate = pipe, rate
        self.plugged, self.over = threading.Event(), threading.Event()
        self.plugged.set()
        self.written = 0

    def run(self) -> None:
        scene = np.random.default_rng(0).integers(0, 256, (SIZE[1] // 8, SIZE[0] // 8, 3), dtype=np.uint8)
        clip = [np.roll(scene.repeat(8, 0).repeat(8, 1), i, 1).tobytes() for i in range(_CLIP_FRAMES)]
        while not self.over.is_set():
            self.plugged.wait(1)
            if not self.plugged.is_set():
                continue
            with contextlib.suppress(OSError):
                file = os.open(self._pipe, os.O_WRONLY | os.O_NONBLOCK)
                os.set_blocking(file, True)
                try:
                    self._stream(file, clip)
                finally:
                    os.close(file)
            time.sleep(0.05)

    def _stream(self, file: int, clip: list[bytes]) -> None:
        due = time.monotonic()
        while self.plugged.is_set() and not self.over.is_set():
            frame = clip[self.written % len(clip)]
            place = 0
            while place < len(frame):
                place += os.write(file, frame[place:])
            self.written += 1
            due = max(due + 1 / self._rate, time.monotonic() - 1)
            time.sleep(max(0, due - time.monotonic()))


@contextlib.contextmanager
def recorder(
    pipe: Path, output: Path, seconds: float
) -> Iterator[tuple[subprocess.Popen[str], list[dict[str, Any]], Path]]:
    """The recording process, what it prints, and the file that sets its clock."""
    clock = pipe.with_suffix(".clock")
    clock.write_text("0")
    command = [sys.executable, __file__, "--record", str(pipe), str(output), str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    lines: list[dict[str, Any]] = []

    def read() -> None:
        assert process.stdout is not None
        lines.extend(json.loads(line) for line in process.stdout)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield process, lines, clock
    finally:
        process.kill()
        process.wait()
        reader.join()


def wait_for(lines: list[dict[str, Any]], seconds: float) -> None:
    """Waits until a recording has lasted so long."""
    until = time.monotonic() + 600
    while time.monotonic() < until and (not lines or lines[-1].get("at", seconds) < seconds):
        time.sleep(0.2)


def frame_times(path: Path) -> list[float]:
    """The times of a video's frames, in order."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        times = [float(p.pts * stream.time_base) for p in container.demux(stream) if p.pts is not None]
    return sorted(times)


class Verdict:
    """What is not as it should be."""

    def __init__(self) -> None:
        self.faults = 0

    def check(self, good: bool, what: str) -> None:
        self.faults += not good
        print(f"{'as it should be' if good else 'NOT AS IT SHOULD BE'}: {what}", flush=True)


def long_run(folder: Path, seconds: float, rate: float, verdict: Verdict) -> None:
    """Clock steps, a stop, a camera that is unplugged."""
    pipe, output = folder / "camera", folder / "out.mp4"
    os.mkfifo(pipe)
    camera = Camera(pipe, rate)
    camera.start()
    stopped_s = min(_STOPPED_S, seconds / 10)
    unplugged = 0
    with recorder(pipe, output, seconds) as (process, lines, clock):
        for part, event in enumerate(("3600", "0", "stop", "unplug", "-3600", "0", "unplug", "unplug")):
            wait_for(lines, (part + 1) * seconds / 10)
            print(f"{part + 1}/10 of the time: {event}", flush=True)
            if event == "stop":
                process.send_signal(signal.SIGSTOP)
                time.sleep(stopped_s)
                process.send_signal(signal.SIGCONT)
            elif event == "unplug":
                camera.plugged.clear()
                time.sleep(_UNPLUGGED_S)
                camera.plugged.set()
                unplugged += 1
            else:
                clock.write_text(event)
        process.wait(seconds + 120)
    camera.over.set()
    samples = [line for line in lines if "at" in line and line["at"] >= _WARM_UP * seconds]
    end = lines[-1]
    for name in ("mib", "threads", "files"):
        values = [sample[name] for sample in samples]
        print(f"{name} after the first {_WARM_UP:.0%}: {min(values):.1f} to {max(values):.1f}")
    memory = [sample["mib"] for sample in samples]
    half = len(memory) // 2
    verdict.check(max(memory[half:]) < max(memory[:half]) + 5, "memory of the second half, as of the first")
    verdict.check(
        max(s["threads"] for s in samples[half:]) <= max(s["threads"] for s in samples[:half]), "threads"
    )
    verdict.check(
        max(s["files"] for s in samples[half:]) <= max(s["files"] for s in samples[:half]), "open files"
    )
    times = frame_times(output)
    print(f"{camera.written} frames written, {len(times)} in the file, {times[-1]:.1f} of {seconds:.1f} s")
    print(end)
    verdict.check(process.returncode == 0, f"exit code {process.returncode}")
    verdict.check(end["captured"] == end["shown"] + end["dropped"], "captured are shown or dropped")
    verdict.check(len(times) == end["shown"], "all that were shown are in the file")
    verdict.check(end["reconnects"] == unplugged, f"{end['reconnects']} reconnections of {unplugged} losses")
    gaps = [later - earlier for earlier, later in pairwise(times)]
    longest = max(stopped_s, _UNPLUGGED_S) + 15
    verdict.check(min(gaps) > 0 and max(gaps) < longest, f"times go on: the longest gap is {max(gaps):.1f} s")
    verdict.check(end["clocks"] == [-_HOUR, 0, _HOUR], f"the clock was off by {end['clocks']} s")


def full_disk(folder: Path, rate: float, verdict: Verdict) -> None:
    """The disk is filled by others, then freed."""
    pipe, output = folder / "camera", folder / "out.mp4"
    os.mkfifo(pipe)
    camera = Camera(pipe, rate)
    camera.start()
    with recorder(pipe, output, 60) as (process, lines, _):
        wait_for(lines, 20)
        with contextlib.suppress(OSError), (folder / "ballast").open("wb") as ballast:
            while True:
                ballast.write(bytes(4096))
                ballast.flush()
        process.wait(120)
    verdict.check(process.returncode == 1 and "space" in lines[-1]["said"], f"full: {lines[-1].get('said')}")
    verdict.check(not output.exists(), "nothing half done has the output's name")
    (folder / "ballast").unlink()
    with recorder(pipe, output, 10) as (process, again, _):
        process.wait(120)
    verdict.check(
        process.returncode == 0, f"freed: goes on, exit code {process.returncode} {again[-1].get('said', '')}"
    )
    kept = len(frame_times(output)) - again[-1]["shown"] if output.exists() else 0
    verdict.check(kept > 0, f"{kept} of {lines[-1]['shown']} frames from before are kept")
    camera.over.set()


def removed(folder: Path, rate: float, verdict: Verdict) -> None:
    """The output and what belongs to it are removed under the recording."""
    import shutil

    pipe, output = folder / "camera", folder / "out.mp4"
    os.mkfifo(pipe)
    camera = Camera(pipe, rate)
    camera.start()
    with recorder(pipe, output, 20) as (process, lines, _):
        wait_for(lines, 12)
        shutil.rmtree(folder / ".out.mp4.parts")
        process.wait(120)
    camera.over.set()
    verdict.check(
        process.returncode == 1, f"removed: exit code {process.returncode}, {lines[-1].get('said')}"
    )
    verdict.check(not output.exists(), "and no output")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=8)
    parser.add_argument("--speed", type=float, default=10)
    parser.add_argument("--small-disk", type=Path, help="a folder on a file system of a few MiB")
    parser.add_argument("--record", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.record:
        pipe, output, seconds = options.record
        return record(Path(pipe), Path(output), float(seconds))
    verdict = Verdict()
    rate = FPS * options.speed
    with tempfile.TemporaryDirectory() as place:
        for name in ("long", "removed"):
            (Path(place) / name).mkdir()
        removed(Path(place) / "removed", rate, verdict)
        if options.small_disk is not None:
            full_disk(options.small_disk, rate, verdict)
        seconds = options.hours * 3600 / options.speed
        long_run(Path(place) / "long", seconds, rate, verdict)
    return 1 if verdict.faults else 0


if __name__ == "__main__":
    sys.exit(main())
