"""Our file translation beside a plain OpenCV loop and beside supervision's `process_video`.

    pip install supervision
    python docs/experiments/speed/loops.py CLIP... --rounds 3

All run the same open model on the same clip, in turns. Prints what each takes, as a multiple of ours in the
same round, and what its output holds: frames, how far their times are from the input's, sound, codec, size.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import supervision

from unit_edge.registry import find_model
from unit_edge.runtime import open_runner
from unit_edge.runtime.backends.base import Runner
from unit_edge.runtime.sinks.codecs import Encoding
from unit_edge.runtime.translate import translate


def plain(clip: Path, output: Path, runner: Runner) -> None:
    capture = cv2.VideoCapture(str(clip))
    size = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
    writer = cv2.VideoWriter(
        str(output), cv2.VideoWriter.fourcc(*"mp4v"), capture.get(cv2.CAP_PROP_FPS), size
    )
    while True:
        good, frame = capture.read()
        if not good:
            break
        writer.write(runner.infer(frame[None])[0])
    capture.release()
    writer.release()


def by_supervision(clip: Path, output: Path, runner: Runner) -> None:
    supervision.process_video(str(clip), str(output), lambda frame, _: runner.infer(frame[None])[0])


def ours(preset: str) -> Callable[[Path, Path, Runner], None]:
    def run(clip: Path, output: Path, runner: Runner) -> None:
        translate(clip, output, runner, encoding=Encoding(preset=preset), overwrite=True)

    return run


LOOPS = {
    "ours": ours("auto"),
    "ours, --preset veryfast": ours("veryfast"),
    "ours, --preset ultrafast": ours("ultrafast"),
    "plain OpenCV": plain,
    f"supervision {supervision.__version__}": by_supervision,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--backend", default="auto")
    options = parser.parse_args()
    with (
        open_runner(find_model("night", None), options.backend) as runner,
        tempfile.TemporaryDirectory() as folder,
    ):
        print(f"{runner.manifest.name}, {runner.backend}, OpenCV {cv2.__version__}")
        for clip in options.clips:
            _compare(clip, Path(folder), runner, options.rounds)


def _compare(clip: Path, folder: Path, runner: Runner, rounds: int) -> None:
    spent: dict[str, list[float]] = {name: [] for name in LOOPS}
    for _ in range(rounds):
        for name, loop in LOOPS.items():
            mark = time.perf_counter()
            loop(clip, folder / f"{name}.mp4", runner)
            spent[name].append(time.perf_counter() - mark)
    before, _ = _look(clip)
    print(f"\n{clip.name}: {len(before)} frames")
    for name, seconds in spent.items():
        times, text = _look(folder / f"{name}.mp4")
        ratios = [mine / other for mine, other in zip(seconds, spent["ours"], strict=True)]
        off_ms = max((abs(a - b) * 1000 for a, b in zip(before, times, strict=False)), default=0)
        print(
            f"{name:26} {statistics.median(ratios):5.2f} ({min(ratios):.2f}-{max(ratios):.2f}) of ours, "
            f"{len(times) / statistics.median(seconds):5.1f} FPS; {len(times)} frames, "
            f"at most {off_ms:.1f} ms off; {text}"
        )


def _look(path: Path) -> tuple[list[float], str]:
    """The times of a video's frames in seconds, and what it is."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        times = [float(frame.pts * frame.time_base) for frame in container.decode(video)]
        sound = container.streams.audio[0].codec_context.name if container.streams.audio else "no sound"
        size_mib = path.stat().st_size / 2**20
        return [
            moment - times[0] for moment in times
        ], f"{video.codec_context.name}, {sound}, {size_mib:.2f} MiB"


if __name__ == "__main__":
    main()
