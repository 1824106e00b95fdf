"""The model alone: frames that are in memory already, one call after the other."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from unit_edge.runtime.backends.base import Runner
from unit_edge.runtime.backends.gpu_times import GpuTimes, last_gpu_times

LEAST_CALLS = 3


@dataclass
class Calls:
    """What the calls of a measurement took.

    Attributes:
        latencies_s: of each call, all streams together: from frames in the host's memory to frames in the
            host's memory.
        gpu_times: of each call, where the runner knows them.
        wall_s: from the first call's begin to the last one's end.
        cpu_s: processor time of this process in between.
    """

    latencies_s: list[float] = field(default_factory=list)
    gpu_times: list[GpuTimes] = field(default_factory=list)
    wall_s: float = 0.0
    cpu_s: float = 0.0


def time_calls(
    runners: Sequence[Runner],
    batches: Sequence[NDArray[np.uint8]],
    *,
    seconds: float,
    calls: int | None = None,
) -> Calls:
    """Calls each open runner from a thread of its own, for `seconds` or exactly `calls` times.

    `batches`, uint8[N,H,W,3] each, are taken in turn. There are at least `LEAST_CALLS` of each runner if
    `calls` doesn't say otherwise.

    Raises:
        Exception: the first that a runner raised, when all have stopped.
    """
    result, errors = Calls(), list[BaseException]()
    parts = [Calls() for _ in runners]

    def work(runner: Runner, part: Calls) -> None:
        try:
            _call_repeatedly(runner, batches, part, end_s=begin + seconds, calls=calls, errors=errors)
        except BaseException as error:
            errors.append(error)

    cpu_s, begin = time.process_time(), time.perf_counter()
    if len(runners) == 1:
        work(runners[0], parts[0])
    else:
        threads = [
            threading.Thread(target=work, args=pair, daemon=True) for pair in zip(runners, parts, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    result.wall_s, result.cpu_s = time.perf_counter() - begin, time.process_time() - cpu_s
    if errors:
        raise errors[0]
    for part in parts:
        result.latencies_s += part.latencies_s
        result.gpu_times += part.gpu_times
    return result


def _call_repeatedly(
    runner: Runner,
    batches: Sequence[NDArray[np.uint8]],
    part: Calls,
    *,
    end_s: float,
    calls: int | None,
    errors: list[BaseException],
) -> None:
    count = 0
    while not errors:
        mark = time.perf_counter()
        if count >= calls if calls is not None else count >= LEAST_CALLS and mark >= end_s:
            return
        runner.infer(batches[count % len(batches)])
        part.latencies_s.append(time.perf_counter() - mark)
        gpu_times = last_gpu_times(runner)
        if gpu_times is not None:
            part.gpu_times.append(gpu_times)
        count += 1
