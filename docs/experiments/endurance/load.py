"""Much at once, much of it, and readers that leave: what `translate` takes and how it ends.

    python docs/experiments/endurance/load.py --together 16 --pictures 10000 --hours 2

Clips and pictures of 64x64, a model that gives 255 minus the frame, ONNX Runtime. Prints the exit codes, what
came out and the resident memory of the process over its run, and exits with 1 if anything is not as it
should be: all outputs there, those of the same input the same, and memory that stays what it was after the
first tenth of the time.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parents[3] / "tests" / "fuzz")]
import kept  # noqa: E402

SIZE = 64
_LOOK_EVERY_S = 0.2
_WARM_UP = 0.1
_GROWTH_MIB = 8
_TABLE_BYTES = 200  # of a frame, when the parts are joined
_COMMAND = [sys.executable, "-c", "from unit_edge.cli import main; main()", "translate"]


class Verdict:
    """What is not as it should be."""

    faults = 0

    def check(self, good: bool, what: str) -> None:
        self.faults += not good
        print(f"{'as it should be' if good else 'NOT AS IT SHOULD BE'}: {what}", flush=True)


def write_clip(path: Path, frames: int, fps: int, times: int = 1) -> None:
    """A clip that goes round `times` times, encoded once."""
    scene = np.random.default_rng(0).integers(0, 255, (SIZE // 8, SIZE // 8, 3)).astype(np.uint8)
    packets: list[tuple[bytes, int, int, bool]] = []
    with av.open(str(path), "w") as container:
        options = {"preset": "veryfast", "bf": "0"}
        stream = container.add_stream("libx264", rate=fps, options=options)
        stream.width, stream.height, stream.pix_fmt = SIZE, SIZE, "yuv420p"
        stream.time_base = Fraction(1, fps)
        for index in range(frames):
            image = np.roll(scene.repeat(8, 0).repeat(8, 1), index, 1)
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = index, Fraction(1, fps)
            packets += [(bytes(p), p.pts, p.dts, p.is_keyframe) for p in stream.encode(frame)]
        packets += [(bytes(p), p.pts, p.dts, p.is_keyframe) for p in stream.encode(None)]
        for turn in range(times):
            for data, pts, dts, key in packets:
                packet = av.Packet(data)
                packet.stream, packet.time_base = stream, Fraction(1, fps)
                packet.pts, packet.dts = pts + turn * frames, dts + turn * frames
                packet.is_keyframe = key
                container.mux(packet)


def frames_of(path: Path) -> tuple[int, str]:
    """How many frames a video has, and a digest of them and their times."""
    found, count = hashlib.sha256(), 0
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            found.update(f"{frame.pts} {frame.time_base}".encode())
            found.update(frame.to_ndarray(format="gray").tobytes())
            count += 1
    return count, found.hexdigest()


def start(*arguments: str | Path, **settings: object) -> subprocess.Popen[bytes]:
    words = [*_COMMAND, *map(str, arguments), "-q", "--backend", "onnxruntime"]
    return subprocess.Popen(words, **settings)  # type: ignore[call-overload, no-any-return]


def watched(process: subprocess.Popen[bytes]) -> list[float]:
    """A process's resident memory in MiB, until its end."""
    seen = []
    while process.poll() is None:
        try:
            pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
            seen.append(pages * os.sysconf("SC_PAGE_SIZE") / 2**20)
        except (OSError, IndexError):
            break
        time.sleep(_LOOK_EVERY_S)
    process.wait()
    return [mib for mib in seen if mib]


def check_flat(seen: list[float], verdict: Verdict, frames: int = 0) -> None:
    """Memory of a process must stay after it has warmed up; a video's table of frames comes at its end."""
    after = seen[int(_WARM_UP * len(seen)) :]
    early, late = max(after[: len(after) // 2]), max(after[len(after) // 2 :])
    tenths = [f"{max(after[len(after) * i // 10 : len(after) * (i + 1) // 10 + 1]):.1f}" for i in range(10)]
    said = f"after the first {_WARM_UP:.0%} {min(after):.1f} to {max(after):.1f} MiB ({', '.join(tenths)})"
    verdict.check(late < early + _GROWTH_MIB + frames * _TABLE_BYTES / 2**20, said)


def together(count: int, model: Path, place: Path, verdict: Verdict) -> None:
    clip = place / "clip.mp4"
    write_clip(clip, 100, 25)
    outputs = [place / f"{index}.mp4" for index in range(count)]
    alone = start(clip, "--model", model, "-o", place / "alone.mp4").wait()
    began = time.monotonic()
    processes = [start(clip, "--model", model, "-o", output) for output in outputs]
    most, codes = 0.0, []
    for process in processes:
        most = max([most, *watched(process)])
        codes.append(process.returncode)
    print(f"{count} translations at once: {time.monotonic() - began:.0f} s, up to {most:.0f} MiB each")
    verdict.check([alone, *codes] == [0] * (count + 1), f"exit codes {sorted(set(codes))}")
    same = {frames_of(output) for output in [place / "alone.mp4", *outputs]}
    verdict.check(len(same) == 1 and next(iter(same))[0] == 100, "all gave the same 100 frames")


def folder(count: int, model: Path, place: Path, verdict: Verdict) -> None:
    (place / "pictures").mkdir()
    for index in range(count):
        image = np.full((SIZE, SIZE, 3), index % 251, np.uint8)
        cv2.imwrite(str(place / "pictures" / f"{index:06}.png"), image)
    began = time.monotonic()
    process = start(place / "pictures", "--model", model, "-o", place / "translated")
    seen = watched(process)
    print(f"a folder of {count} pictures: {time.monotonic() - began:.0f} s")
    verdict.check(process.returncode == 0, f"exit code {process.returncode}")
    check_flat(seen, verdict)
    good = 0
    for index in range(count):
        image = cv2.imread(str(place / "translated" / f"{index:06}.png"))
        good += image is not None and image.shape == (SIZE, SIZE, 3) and (image == 255 - index % 251).all()
    verdict.check(good == count, f"{good} of {count} pictures are there and right")


def long_video(hours: float, fps: int, model: Path, place: Path, verdict: Verdict) -> None:
    turns = round(hours * 60)
    write_clip(place / "long.mp4", 60 * fps, fps, turns)
    began = time.monotonic()
    process = start(place / "long.mp4", "--model", model, "-o", place / "long-out.mp4")
    seen = watched(process)
    print(f"a video of {hours} hours at {fps} FPS: {time.monotonic() - began:.0f} s")
    verdict.check(process.returncode == 0, f"exit code {process.returncode}")
    check_flat(seen, verdict, turns * 60 * fps)
    count, _ = frames_of(place / "long-out.mp4")
    verdict.check(count == turns * 60 * fps, f"{count} of {turns * 60 * fps} frames")


def leaving_readers(model: Path, place: Path, verdict: Verdict) -> None:
    clip = place / "read.mp4"
    write_clip(clip, 2000, 25)
    asked = (clip, "--model", model, "-o", "-")
    process = start(*asked, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.read(SIZE * SIZE * 3)
    process.stdout.close()
    said = process.stderr.read().decode()
    verdict.check(process.wait() == 1 and said.count("\n") == 1, f"a pipe that is closed: {said.strip()}")
    process = start(*asked, stderr=subprocess.PIPE, preexec_fn=lambda: os.close(1))
    said = process.communicate()[1].decode()
    verdict.check(process.returncode == 1 and said.count("\n") == 1, f"frames to no stdout: {said.strip()}")
    process = start(*asked[:-1], place / "read-out.mp4", preexec_fn=lambda: os.close(1))
    count = frames_of(place / "read-out.mp4")[0] if process.wait() == 0 else 0
    verdict.check(count == 2000, f"a file, without a stdout: exit code {process.returncode}, {count} frames")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--together", type=int, default=16)
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--hours", type=float, default=2)
    parser.add_argument("--fps", type=int, default=10, help="of the long video")
    options = parser.parse_args()
    verdict = Verdict()
    with tempfile.TemporaryDirectory(prefix="unit-edge-load-") as name:
        place = Path(name)
        model = place / "model.onnx"
        kept.model(model)
        leaving_readers(model, place, verdict)
        if options.together:
            together(options.together, model, place, verdict)
        if options.hours:
            long_video(options.hours, options.fps, model, place, verdict)
        if options.pictures:
            folder(options.pictures, model, place, verdict)
        shutil.rmtree(place / "pictures", ignore_errors=True)
    return 1 if verdict.faults else 0


if __name__ == "__main__":
    sys.exit(main())
