"""The whole way of a clip's frames: each stage alone, and all at once as `translate` runs them."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unit_edge.frames import Frame, VideoInfo
from unit_edge.interrupt import StopWish
from unit_edge.runtime.backends.base import Runner
from unit_edge.runtime.bench.worker.clip import RepeatedClip
from unit_edge.runtime.frame_times import FrameTimes
from unit_edge.runtime.pipeline import run
from unit_edge.runtime.sinks.video.sink import VideoSink
from unit_edge.runtime.sources.base import FrameSource
from unit_edge.runtime.sources.open import SourceOptions, open_source
from unit_edge.text.address import Address

_HELD_FRAMES = 16
_MOST_FRAMES = 100_000


@dataclass(frozen=True)
class Alone:
    """One stage with nothing beside it.

    Attributes:
        seconds: until the last frame was through, for encoding until the file was finished.
        cpu_s: processor time that it took, of all cores.
    """

    frames: int
    seconds: float
    cpu_s: float


@dataclass
class Whole:
    """A run of all stages.

    Attributes:
        frame_times: of all frames, in the order in which the sink took them.
        frames: that the sink has taken, all streams together.
        seconds: from opening the output to the finished file.
        first_frame_s: from then until the sink had taken the first frame.
        captured, dropped: of a live source, else 0.
        frame_size: width and height of the source's frames.
    """

    frame_times: list[FrameTimes] = field(default_factory=list)
    frames: int = 0
    seconds: float = 0.0
    first_frame_s: float = 0.0
    captured: int = 0
    dropped: int = 0
    frame_size: tuple[int, int] = (0, 0)


def held_frames(path: Path) -> list[NDArray[np.uint8]]:
    """A clip's first frames, uint8[H,W,3] BGR.

    Raises:
        SourceError: there is none.
    """
    with RepeatedClip(path, frames=_HELD_FRAMES) as clip:
        return [frame.image for frame in clip]


def decode_alone(path: Path, *, frames: int | None, seconds: float) -> Alone:
    """Reads a clip, again and again, for so many frames or seconds."""
    cpu_s, begin = time.process_time(), time.perf_counter()
    with RepeatedClip(path, frames=frames, seconds=seconds) as clip:
        count = sum(1 for _ in clip)
    return Alone(count, time.perf_counter() - begin, time.process_time() - cpu_s)


def encode_alone(
    images: Sequence[NDArray[np.uint8]], info: VideoInfo, path: Path, *, frames: int | None, seconds: float
) -> Alone:
    """Writes pictures to a video, again and again.

    Args:
        images: uint8[H,W,3], BGR.
        info: of the video.
        path: the file that is written.
        frames: how many; None for as many as there is time for.
        seconds: how long at most.
    """
    cpu_s, begin = time.process_time(), time.perf_counter()
    count = 0
    with VideoSink(path, info) as sink:
        for image in islice(cycle(images), frames or _MOST_FRAMES):
            sink.write(Frame(image, count, count / info.fps))
            count += 1
            if frames is None and time.perf_counter() - begin > seconds:
                break
    return Alone(count, time.perf_counter() - begin, time.process_time() - cpu_s)


def run_whole(
    runners: Sequence[Runner],
    address: Address,
    folder: Path,
    *,
    frames: int | None,
    seconds: float,
    options: SourceOptions | None = None,
    wish: StopWish | None = None,
) -> Whole:
    """Puts a clip, or what a live source gives, through each runner into a file.

    Each runner has a source and a sink of its own. A clip is repeated until `frames` or `seconds` are over.

    Args:
        runners: open.
        address: of the clip or live source.
        folder: where the files are made.
        frames: how many, of each runner; None for as many as there is time for.
        seconds: how long at most.
        options: of the source.
        wish: if it comes, all end.

    Raises:
        Exception: the first of any stage's, when all have stopped.
    """
    wish = wish or StopWish()
    parts, errors = [Whole() for _ in runners], list[BaseException]()

    def work(runner: Runner, part: Whole, number: int) -> None:
        try:
            with _source(address, frames, seconds, options) as source:
                sink = VideoSink(folder / f"{number}.mp4", source.info)
                begin = time.perf_counter()
                stats = run(source, runner, sink, wish=wish, frame_times=part.frame_times)
                part.seconds = time.perf_counter() - begin
                part.frame_size = source.info.width, source.info.height
            part.frames, part.captured, part.dropped = stats.shown, stats.captured, stats.dropped
            if part.frame_times:
                part.first_frame_s = part.frame_times[0].write_to - begin
        except BaseException as error:
            errors.append(error)
            wish.ask()

    if len(runners) == 1:
        work(runners[0], parts[0], 0)
    else:
        threads = [
            threading.Thread(target=work, args=(runner, part, number), daemon=True)
            for number, (runner, part) in enumerate(zip(runners, parts, strict=True))
        ]
        with ExitStack() as stack:
            for thread in threads:
                thread.start()
                stack.callback(thread.join)
    if errors:
        raise errors[0]
    return Whole(
        frame_times=[times for part in parts for times in part.frame_times],
        frames=sum(part.frames for part in parts),
        seconds=max(part.seconds for part in parts),
        first_frame_s=max(part.first_frame_s for part in parts),
        captured=sum(part.captured for part in parts),
        dropped=sum(part.dropped for part in parts),
        frame_size=parts[0].frame_size,
    )


def _source(
    address: Address, frames: int | None, seconds: float, options: SourceOptions | None
) -> FrameSource:
    if address.live:
        return open_source(address, options)
    return RepeatedClip(address.path, frames=frames, seconds=seconds)
