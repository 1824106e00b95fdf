"""What a worker's answers amount to: the figures of the model alone, and of the whole way."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import median
from typing import Any

from unit_edge.runtime.backends.cores import usable_cores
from unit_edge.runtime.backends.gpu_times import GpuTimes
from unit_edge.runtime.bench.account import account
from unit_edge.runtime.bench.process import BenchWorker, CaseFailed
from unit_edge.runtime.bench.result import EndToEnd, ModelOnly
from unit_edge.runtime.bench.statistics import drift, histogram, ratio_of_rounds, summarise
from unit_edge.runtime.bench.worker.warmup import WarmUp
from unit_edge.runtime.frame_times import FrameTimes
from unit_edge.text.address import Address

ROUNDS = 6
_LEAST_FRAMES = 4
_STAGES = ("decode", "model", "encode")
_ALONE_SHARE = 0.5
"""Of the time that all stages together get, what one of them gets alone."""


def model_only(warm: dict[str, Any], calls: dict[str, Any], *, batch: int, streams: int) -> ModelOnly:
    """The figures of the worker's answers to "warm_up" and "calls"."""
    times = calls["latencies_s"]
    gpu_times = [GpuTimes(**gpu) for gpu in calls["gpu_times"]]
    compute = [gpu.compute_s for gpu in gpu_times]
    return ModelOnly(
        warm_up=WarmUp(**warm),
        calls=len(times),
        fps=batch * len(times) / calls["wall_s"],
        latency_ms=summarise(times),
        histogram=histogram(times),
        upload_ms=summarise([gpu.upload_s for gpu in gpu_times]) if gpu_times else None,
        compute_ms=summarise(compute) if gpu_times else None,
        download_ms=summarise([gpu.download_s for gpu in gpu_times]) if gpu_times else None,
        compute_fps=batch * streams * len(compute) / sum(compute) if gpu_times else None,
        drift=drift(times) if streams == 1 else None,
    )


def end_to_end(
    worker: BenchWorker,
    source: Address,
    *,
    call_s: float,
    batch: int,
    streams: int,
    seconds: float,
    frames: int | None,
) -> EndToEnd:
    """Measures a worker's open runners from the clip to the finished file, and the stages alone, in turns.

    Args:
        call_s: what a call takes, alone.
        seconds: that the rounds of all stages at once take together; a live source gets one, of all of it.
        frames: of each round instead; None to go by the time.

    Raises:
        CaseFailed: it can't be done, or no frame came.
        Interrupted: the user's wish.
    """
    address = source.target
    if source.live:
        whole = [worker.ask("whole", address=address, frames=None, seconds=seconds)]
        return _summed_up(whole, [], streams=streams, live=True)
    whole, alone = [], []
    each_s = seconds / ROUNDS
    # frames that wait in the queues when the time is up are not cut off: a slow model must get few
    most = frames or max(_LEAST_FRAMES, batch, math.ceil(each_s / call_s) * batch)
    for _ in range(ROUNDS):
        turn = {}
        for stage in _STAGES:
            count = frames or (most if stage == "model" else None)
            limit_s = _ALONE_SHARE * each_s
            turn[stage] = worker.ask("alone", stage=stage, address=address, frames=count, seconds=limit_s)
        alone.append(turn)
        whole.append(worker.ask("whole", address=address, frames=most, seconds=each_s))
    return _summed_up(whole, alone, streams=streams, live=False)


def _summed_up(
    whole: list[dict[str, Any]], alone: list[dict[str, Any]], *, streams: int, live: bool
) -> EndToEnd:
    frame_times = [_frame_times(raw) for run in whole for raw in run["frame_times"]]
    if not frame_times:
        raise CaseFailed("no frame came from the input")
    seconds = sum(run["seconds"] for run in whole)
    ages = [times.age_s for times in frame_times if times.age_s is not None]
    found = EndToEnd(
        frames=sum(run["frames"] for run in whole),
        fps=sum(_counted(run, streams) for run in whole) / sum(_timed_s(run) for run in whole),
        round_fps=tuple(_counted(run, streams) / _timed_s(run) for run in whole),
        first_frame_ms=1e3 * median(run["first_frame_s"] for run in whole),
        account=account(frame_times, seconds=seconds, streams=streams, live=live),
        frame_size=tuple(whole[0]["frame_size"]),
        age_ms=summarise(ages) if ages else None,
        captured=sum(run["captured"] for run in whole) if live else None,
        dropped=sum(run["dropped"] for run in whole) if live else None,
    )
    if not alone:
        return found
    fps = {stage: [turn[stage]["frames"] / turn[stage]["seconds"] for turn in alone] for stage in _STAGES}
    slowest = min(_STAGES, key=lambda stage: median(fps[stage]))
    cpu_s = sum(median(turn[stage]["cpu_s"] / turn[stage]["frames"] for turn in alone) for stage in _STAGES)
    ratio = ratio_of_rounds(found.round_fps, fps[slowest])
    return replace(
        found,
        alone_fps={stage: median(values) for stage, values in fps.items()},
        slowest_alone=slowest,
        ratio=ratio if streams == 1 else None,  # several streams have the stages several times
        processor_allows_fps=usable_cores() / cpu_s if cpu_s else None,
    )


def _counted(run: dict[str, Any], streams: int) -> int:
    """Frames that came in `_timed_s`: all but the first, or the first of each stream."""
    return max(1, int(run["frames"]) - streams)


def _timed_s(run: dict[str, Any]) -> float:
    """Seconds from the first frame in the output to the finished file."""
    return float(run["seconds"]) - float(run["first_frame_s"])


def _frame_times(raw: dict[str, Any]) -> FrameTimes:
    gpu_times = raw.pop("gpu_times")
    return FrameTimes(**raw, gpu_times=None if gpu_times is None else GpuTimes(**gpu_times))
