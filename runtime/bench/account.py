"""Where the time of a clip's frames went: what each stage took of it, and which one holds the others up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from unit_edge.runtime.bench.statistics import Summary, summarise
from unit_edge.runtime.frame_times import FrameTimes

WAIT = "wait"
_MODEL = "model"


@dataclass(frozen=True)
class Stage:
    """What one stage did for each frame.

    Attributes:
        time_ms: of a frame; of a batch's frames, each has the whole call's.
        share: of the frame's time from being read to being written, on average.
    """

    time_ms: Summary
    share: float


@dataclass(frozen=True)
class Account:
    """Where the time of all frames of a run went.

    Attributes:
        stages: by name, in order: "decode" ("capture" of a live source), "wait" (in the queues on both
            sides of the model), with a GPU "upload", "compute", "download" and "host" (copies there, and
            starting it), else "compute", then "encode".
        frame_ms: from being read to being written.
        busy: share of the run's time in which the stages "decode", "model" and "encode" were at work.
        allows_fps: frames a second that each of the three could have done with what it took here.
        bound: the one that was busiest, which the others wait for.
    """

    stages: dict[str, Stage]
    frame_ms: Summary
    busy: dict[str, float]
    allows_fps: dict[str, float]
    bound: str


def account(
    frame_times: Sequence[FrameTimes], *, seconds: float, streams: int = 1, live: bool = False
) -> Account:
    """Sums up the times of frames, of which there is at least one.

    Args:
        frame_times: of all streams.
        seconds: that the run took.
        streams: that ran at a time.
        live: the frames are a camera's or the like: reading one means waiting for it.
    """
    first = "capture" if live else "decode"
    spent: dict[str, list[float]] = {first: [p.read_to - p.read_from for p in frame_times]}
    spent[WAIT] = [(p.infer_from - p.read_to) + (p.write_from - p.infer_to) for p in frame_times]
    gpu_times = [p.gpu_times for p in frame_times if p.gpu_times is not None]
    calls = [p.infer_to - p.infer_from for p in frame_times]
    if len(gpu_times) == len(frame_times):
        spent["upload"] = [gpu.upload_s for gpu in gpu_times]
        spent["compute"] = [gpu.compute_s for gpu in gpu_times]
        spent["download"] = [gpu.download_s for gpu in gpu_times]
        there = [gpu.upload_s + gpu.compute_s + gpu.download_s for gpu in gpu_times]
        spent["host"] = [max(0.0, call - part) for call, part in zip(calls, there, strict=True)]
    else:
        spent["compute"] = calls
    spent["encode"] = [p.write_to - p.write_from for p in frame_times]
    whole = [p.write_to - p.read_from for p in frame_times]
    work = {
        first: sum(spent[first]),
        _MODEL: sum(_calls_once(frame_times)),
        "encode": sum(spent["encode"]),
    }
    return Account(
        stages={name: Stage(summarise(times), fmean(times) / fmean(whole)) for name, times in spent.items()},
        frame_ms=summarise(whole),
        busy={name: total / (seconds * streams) for name, total in work.items()},
        allows_fps={name: streams * len(frame_times) / max(total, 1e-9) for name, total in work.items()},
        bound=max(work, key=lambda name: work[name]),
    )


def _calls_once(frame_times: Sequence[FrameTimes]) -> list[float]:
    """Seconds of each call, once for all frames of its batch."""
    return list({p.infer_from: p.infer_to - p.infer_from for p in frame_times}.values())
