"""When a frame passed the stages of a run, for who wants to know where its time goes."""

from __future__ import annotations

from dataclasses import dataclass

from unit_edge.runtime.backends.gpu_times import GpuTimes


@dataclass(slots=True)
class FrameTimes:
    """The times of one frame that the sink has taken; all in seconds of time.perf_counter().

    Attributes:
        read_from: the source was asked for it.
        read_to: it was there, in the model's size.
        infer_from: it went to the runner, together with the rest of its batch; if that had another then, when
            it was done with that.
        infer_to: it came back.
        write_from: it went to the sink.
        write_to: the sink was done with it.
        gpu_times: of the runner's call, where it knows one.
        age_s: seconds since it was captured, then; None unless the source is live.
    """

    read_from: float
    read_to: float
    infer_from: float = 0.0
    infer_to: float = 0.0
    write_from: float = 0.0
    write_to: float = 0.0
    gpu_times: GpuTimes | None = None
    age_s: float | None = None
