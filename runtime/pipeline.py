"""Source → runner → sink, each on its own thread, joined by bounded queues."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from unit_edge.errors import TruncatedError
from unit_edge.frames import Frame
from unit_edge.interrupt import PATIENCE_S, Interrupted, StopWish, watch_signals
from unit_edge.runtime.ages import Ages
from unit_edge.runtime.ahead import inferred
from unit_edge.runtime.backends.base import Runner
from unit_edge.runtime.backends.gpu_times import last_gpu_times
from unit_edge.runtime.batch import in_batches
from unit_edge.runtime.channel import Channel, Newest
from unit_edge.runtime.frame_times import FrameTimes
from unit_edge.runtime.resize import Fit, resized
from unit_edge.runtime.sinks.base import FrameSink
from unit_edge.runtime.sources.base import FrameSource, LiveFrames, is_live

_QUEUED_FRAMES = 4
_LOOK_UP_S = 0.1


@dataclass
class Stats:
    """What a run did, up to date while it runs.

    Attributes:
        frames: that went through the runner.
        seconds: wall-clock time, from the first read to the last write.
        decode_s: of these, time in which the source was at work; the three overlap.
        infer_s: time spent in the runner, or waiting for it.
        encode_s: time in which the sink was at work.
        shown: frames that the sink has taken.
        captured: frames that came, of a live source; 0 for others, as all that follows.
        dropped: of these, those that gave way to newer ones; in the end captured - shown.
        reconnects: how often the source came back after a loss.
        lost: whether it is gone now.
        ages: of the frames when the sink had taken them, from their arrival on.
    """

    frames: int = 0
    seconds: float = 0.0
    decode_s: float = 0.0
    infer_s: float = 0.0
    encode_s: float = 0.0
    shown: int = 0
    captured: int = 0
    dropped: int = 0
    reconnects: int = 0
    lost: bool = False
    ages: Ages = field(default_factory=Ages)

    @property
    def fps(self) -> float:
        return self.frames / self.seconds if self.seconds else 0.0


def run(
    source: FrameSource,
    runner: Runner,
    sink: FrameSink,
    progress: Callable[[Stats], None] | None = None,
    wish: StopWish | None = None,
    frame_times: list[FrameTimes] | None = None,
) -> Stats:
    """Puts every frame of the source through the runner and into the sink, in order.

    Of a live source it is the newest frame that goes on, whenever a stage has time for one.

    Args:
        source: open already.
        runner: open already.
        sink: opened and finished here.
        progress: called in the calling thread after each frame, or batch of them, and while a live source
            gives none.
        wish: for who watches signals, or keys, itself.
        frame_times: filled with one for each frame that the sink has taken.

    Raises:
        TruncatedError: the source broke off; the good frames are in the finished sink.
        Interrupted: SIGINT or SIGTERM came; the frames until then are in the finished sink.
        KeyboardInterrupt: it came twice; the sink's output is discarded.
        Exception: any stage's own, after all have stopped; the sink's output is discarded.
    """
    stats = Stats()
    with watch_signals(PATIENCE_S) if wish is None else nullcontext(wish) as wish, sink:
        cut_short = _flow(source, runner, sink, stats, wish, progress or (lambda _: None), frame_times)
        if cut_short is not None:
            sink.cut_short()
    if cut_short is not None:
        raise cut_short
    return stats


def _flow(
    source: FrameSource,
    runner: Runner,
    sink: FrameSink,
    stats: Stats,
    wish: StopWish,
    progress: Callable[[Stats], None],
    frame_times: list[FrameTimes] | None,
) -> TruncatedError | Interrupted | None:
    """Runs the three stages to their end; returns why that came early, if it did."""
    live = source if is_live(source) else None
    fit = Fit(runner)
    began = time.perf_counter()

    def idle() -> bool:
        if live is not None:
            _count(stats, live, decoded, translated)
            stats.seconds = time.perf_counter() - began
            progress(stats)
        return bool(wish)

    decoded: Channel[_InFlight] = Newest(idle) if live is not None else Channel(_QUEUED_FRAMES, idle)
    translated: Channel[_InFlight] = Newest() if live is not None else Channel(_QUEUED_FRAMES)

    def decode() -> None:
        frames = iter(source)
        while decoded.worthwhile():
            mark = time.perf_counter()
            frame = next(frames, None)
            if frame is None:
                return
            image = fit.to_model(frame.image)
            times = FrameTimes(mark, time.perf_counter())
            job = _InFlight(frame, image, times)
            stats.decode_s += times.read_to - mark
            if not decoded.put(job):
                return

    def infer_took(seconds: float) -> None:
        stats.infer_s += seconds

    def encode() -> None:
        for job in translated:
            mark = time.perf_counter()
            height, width = job.frame.image.shape[:2]
            before = job.frame.image
            if live is not None:  # a camera may change its size, a recording can't
                width, height = live.info.width, live.info.height
                before = resized(before, width, height)
            sink.write(replace(job.frame, image=fit.back(job.image, width, height), before=before))
            times = job.times
            times.write_from, times.write_to = mark, time.perf_counter()
            stats.encode_s += times.write_to - mark
            stats.shown += 1
            if job.frame.captured_s is not None:
                times.age_s = time.monotonic() - job.frame.captured_s
                stats.ages.add(times.age_s)
            if frame_times is not None:
                frame_times.append(times)

    reader = _Stage("unit-edge decode", decode, decoded.end)
    writer = _Stage("unit-edge encode", encode, translated.leave)
    reader.start()
    writer.start()
    try:
        # A live frame doesn't wait for others: the places left in a batch are filled up.
        together = 1 if live is not None else runner.manifest.batch
        groups = in_batches(decoded, together, _image_of)
        results = inferred(
            runner,
            groups,
            _image_of,
            overlap=live is None,
            more=lambda: decoded.ready(together),
            spent=infer_took,
        )
        with closing(results):
            for one in results:
                gpu_times = last_gpu_times(runner) if frame_times is not None else None
                for job in one.group:
                    times = job.times
                    times.infer_from, times.infer_to, times.gpu_times = one.begun, one.back, gpu_times
                pairs = zip(one.group, one.images, strict=True)
                if not all(translated.put(replace(job, image=image)) for job, image in pairs):
                    break
                stats.frames += len(one.group)
                stats.seconds = time.perf_counter() - began
                if live is not None:
                    _count(stats, live, decoded, translated)
                progress(stats)
                if wish:
                    break
        stopped_early = bool(wish)
    except BaseException:
        translated.leave()
        raise
    finally:
        decoded.leave()
        source.stop()
        translated.end()
        for thread in (reader, writer):
            while thread.is_alive():
                thread.join(_LOOK_UP_S)
                if wish.insists:
                    translated.leave()
    if wish.insists:
        raise KeyboardInterrupt
    stats.seconds = time.perf_counter() - began
    if live is not None:
        stats.captured, stats.dropped = live.captured, live.captured - stats.shown
    for error in (writer.error, reader.error):
        if error is not None and not isinstance(error, TruncatedError):
            raise error
    if stopped_early:
        return Interrupted(wish.signal_number)
    return reader.error if isinstance(reader.error, TruncatedError) else None


def _count(stats: Stats, live: LiveFrames, *channels: Channel[_InFlight]) -> None:
    stats.captured, stats.reconnects, stats.lost = live.captured, live.reconnects, live.lost
    stats.dropped = live.captured - live.taken + sum(channel.dropped for channel in channels)


@dataclass(frozen=True)
class _InFlight:
    """A frame on its way: its picture at the model's size, the frame that it is of, and its times."""

    frame: Frame
    image: NDArray[np.uint8]
    times: FrameTimes


def _image_of(job: _InFlight) -> NDArray[np.uint8]:
    return job.image


class _Stage(threading.Thread):
    """A thread that keeps its exception for the caller and leaves its channels in order."""

    def __init__(self, name: str, work: Callable[[], None], leave: Callable[[], None]) -> None:
        super().__init__(name=name, daemon=True)
        self._work, self._leave = work, leave
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self._work()
        except BaseException as error:
            self.error = error
        finally:
            self._leave()
