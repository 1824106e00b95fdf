"""How fast this machine copies memory, the computer's or the GPU's."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from unit_edge.runtime.backends.cores import usable_cores
from unit_edge.runtime.bench.cases import device_of

_BYTES = 256 << 20  # beyond any cache
_LEAST_COPIES = 3


def memory_bandwidth(backend: str, seconds: float) -> float:
    """Bytes read plus bytes written a second, of the fastest copy in so many seconds.

    On a CPU all cores copy. What the processor reads of lines that it is about to overwrite is not counted,
    as in STREAM.

    Raises:
        ModuleNotFoundError, BackendError: of a GPU's backend, if there is no cuda.bindings or CUDA fails.
    """
    if device_of(backend) == "gpu":
        return _of_gpu(seconds)
    cores = usable_cores()
    source, target = np.ones(_BYTES, np.uint8), np.zeros(_BYTES, np.uint8)
    parts = list(zip(np.array_split(source, cores), np.array_split(target, cores), strict=True))
    fastest_s, begin, copies = float("inf"), time.perf_counter(), 0
    with ThreadPoolExecutor(cores) as pool:
        while copies < _LEAST_COPIES or time.perf_counter() - begin < seconds:
            mark = time.perf_counter()
            # numpy lets other threads run while it copies
            list(pool.map(lambda pair: np.copyto(pair[1], pair[0]), parts))
            fastest_s = min(fastest_s, time.perf_counter() - mark)
            copies += 1
    return 2 * _BYTES / fastest_s


def _of_gpu(seconds: float) -> float:
    from unit_edge.runtime.backends.cuda import Stream

    with Stream() as stream:
        source, target = stream.device(_BYTES), stream.device(_BYTES)
        events = stream.event(), stream.event()
        fastest_s, begin, copies = float("inf"), time.perf_counter(), 0
        while copies < _LEAST_COPIES or time.perf_counter() - begin < seconds:
            stream.mark(events[0])
            stream.copy(target, source, _BYTES)
            stream.mark(events[1])
            stream.wait()
            fastest_s = min(fastest_s, stream.seconds_between(*events))
            copies += 1
    return 2 * _BYTES / fastest_s
