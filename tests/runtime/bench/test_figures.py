"""The arithmetic of the benchmark: sums, intervals, warm-up, where a frame's time went."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable

import numpy as np
import pytest
from doubles import AddRunner, ListSink, ListSource

from unit_edge.runtime.backends.gpu_times import GpuTimes
from unit_edge.runtime.bench.account import account
from unit_edge.runtime.bench.statistics import drift, histogram, ratio_of_rounds, summarise
from unit_edge.runtime.bench.worker.model import time_calls
from unit_edge.runtime.bench.worker.warmup import warm_up
from unit_edge.runtime.frame_times import FrameTimes
from unit_edge.runtime.pipeline import run


def test_a_summary_is_in_ms_and_keeps_the_slowest() -> None:
    seconds = [0.003, 0.001, 0.002, 0.005, 0.004, 1.0]
    found = summarise(seconds)
    assert (found.count, found.min, found.max) == (6, 1.0, 1000.0)
    assert found.mean == pytest.approx(1e3 * statistics.fmean(seconds))
    assert found.p50 == pytest.approx(1e3 * statistics.median(seconds))
    p25, _, p75 = (1e3 * q for q in statistics.quantiles(seconds, n=4, method="inclusive"))
    assert (found.p25, found.p75, found.iqr) == pytest.approx((p25, p75, p75 - p25))


def test_a_histogram_leaves_nothing_out() -> None:
    found = histogram([0.001] * 7 + [0.5])
    assert sum(found.counts) == 8 and len(found.edges_ms) == len(found.counts) + 1
    assert (found.edges_ms[0], found.edges_ms[-1], found.counts[-1]) == (1, 500, 1)


# published tables of the sign test: ranks of the 95 % interval of a median
@pytest.mark.parametrize(("rounds", "low", "high"), [(6, 1, 6), (9, 2, 8), (12, 3, 10), (20, 6, 15)])
def test_the_interval_of_a_ratio(rounds: int, low: int, high: int) -> None:
    found = ratio_of_rounds([float(k) for k in range(rounds, 0, -1)], [1.0] * rounds)
    assert (found.low, found.high, found.rounds) == (low, high, rounds)
    assert found.median == (rounds + 1) / 2


def test_few_rounds_have_no_interval() -> None:
    found = ratio_of_rounds([2, 4, 6, 8, 10], [1, 2, 3, 4, 5])
    assert (found.median, found.low, found.high) == (2, None, None)


def test_the_interval_holds_the_true_ratio_nineteen_times_in_twenty() -> None:
    random = np.random.default_rng(1)
    hits = 0
    for _ in range(400):
        pairs = random.lognormal(0, 0.3, (2, 12))
        found = ratio_of_rounds(3 * pairs[0], pairs[1])
        assert found.low is not None and found.high is not None
        hits += found.low <= 3 <= found.high
    assert 0.93 <= hits / 400 <= 0.99


def test_drift_compares_the_last_quarter_with_the_first() -> None:
    assert drift([1.0] * 4 + [9.0] * 8 + [1.1] * 4) == pytest.approx(0.1)
    assert drift([1.0] * 15) is None


def timed(durations: list[float]) -> tuple[Callable[[], None], Callable[[], float]]:
    """A call that takes those seconds in turn, the last one for ever, and the clock for it."""
    now, left = [0.0], list(durations)

    def call() -> None:
        now[0] += left.pop(0) if len(left) > 1 else left[0]

    return call, lambda: now[0]


def test_a_warm_up_lasts_until_calls_are_steady() -> None:
    call, clock = timed([5.0, 1.0, *[0.2] * 4, 0.1])
    found = warm_up(call, limit_s=60, clock=clock)
    assert found.stable
    assert found.calls == 4 + 4 + 4 + 4  # the first two windows differ, and the third from the second
    call, clock = timed([0.001])
    assert warm_up(call, limit_s=60, clock=clock).calls == 2 * 250  # a window isn't over in a moment


def test_a_warm_up_ends_at_its_limit() -> None:
    now = [0.0]

    def slower_and_slower() -> None:
        now[0] = 1.2 * now[0] + 0.01

    found = warm_up(slower_and_slower, limit_s=3, clock=lambda: now[0])
    assert not found.stable and found.seconds >= 3
    call, clock = timed([100.0])
    assert warm_up(call, limit_s=0, clock=clock).calls == 2


def times_of(start: float, infer_from: float, *, gpu_times: GpuTimes | None = None) -> FrameTimes:
    """Reading 1 s, the model 4 s, writing 2 s; 0.5 s in the second queue."""
    times = start, start + 1, infer_from, infer_from + 4, infer_from + 4.5, infer_from + 6.5
    return FrameTimes(*times, gpu_times=gpu_times)


def test_where_the_time_went() -> None:
    frame_times = [times_of(0, 1), times_of(1, 5), times_of(2, 9)]
    found = account(frame_times, seconds=15.5)
    assert list(found.stages) == ["decode", "wait", "compute", "encode"]
    means = {name: stage.time_ms.mean for name, stage in found.stages.items()}
    assert means == pytest.approx({"decode": 1000, "wait": 3500, "compute": 4000, "encode": 2000})
    assert sum(means.values()) == pytest.approx(found.frame_ms.mean)
    assert sum(stage.share for stage in found.stages.values()) == pytest.approx(1)
    assert found.busy == pytest.approx({"decode": 3 / 15.5, "model": 12 / 15.5, "encode": 6 / 15.5})
    assert found.allows_fps == pytest.approx({"decode": 1, "model": 0.25, "encode": 0.5})
    assert found.bound == "model"


def test_a_batch_is_one_call() -> None:
    found = account([times_of(0, 2), times_of(1, 2)], seconds=10)
    assert found.allows_fps["model"] == pytest.approx(2 / 4)
    assert found.stages["compute"].time_ms.mean == pytest.approx(4000)


def test_on_a_gpu_the_call_is_taken_apart() -> None:
    gpu_times = GpuTimes(0.5, 2.0, 0.75)
    found = account([times_of(0, 1, gpu_times=gpu_times)], seconds=7.5, live=True)
    assert list(found.stages) == ["capture", "wait", "upload", "compute", "download", "host", "encode"]
    assert found.stages["host"].time_ms.mean == pytest.approx(750)
    assert sum(stage.time_ms.mean for stage in found.stages.values()) == pytest.approx(7500)


def test_the_stages_of_a_real_run_fill_its_time() -> None:
    """No stage has two frames at once, so that their sums can't exceed the run's time."""
    frame_times: list[FrameTimes] = []
    stats = run(ListSource(10), AddRunner(seconds=0.02), ListSink(seconds=0.001), frame_times=frame_times)
    found = account(frame_times, seconds=stats.seconds)
    assert found.bound == "model" and found.frame_ms.count == 10
    assert all(0 < share <= 1 for share in found.busy.values())
    assert sum(stage.time_ms.mean for stage in found.stages.values()) == pytest.approx(found.frame_ms.mean)


class SplitRunner(AddRunner):
    """Says of each call how many came before it."""

    @property
    def last_gpu_times(self) -> GpuTimes:
        return GpuTimes(len(self.shapes), 0.0, 0.0)


def test_calls_are_counted_and_each_has_its_gpu_times() -> None:
    runner, batches = SplitRunner(), [np.full((2, 24, 32, 3), value, np.uint8) for value in (1, 2)]
    found = time_calls([runner], batches, seconds=0, calls=5)
    assert len(found.latencies_s) == len(runner.shapes) == 5
    assert [gpu.upload_s for gpu in found.gpu_times] == [1, 2, 3, 4, 5]
    assert found.wall_s >= sum(found.latencies_s)


def test_streams_call_at_the_same_time_and_stop_together() -> None:
    frames = [np.zeros((1, 24, 32, 3), np.uint8)]
    runners = [AddRunner(seconds=0.02), AddRunner(seconds=0.02)]
    found = time_calls(runners, frames, seconds=0, calls=10)
    assert len(found.latencies_s) == 20 and found.wall_s < sum(found.latencies_s)
    with pytest.raises(RuntimeError, match="broke"):
        time_calls([AddRunner(), AddRunner(error=RuntimeError("broke"), error_at=3)], frames, seconds=1e9)


def test_without_a_count_calls_go_on_for_the_time_and_at_least_three() -> None:
    runner = AddRunner()
    found = time_calls([runner], [np.zeros((1, 24, 32, 3), np.uint8)], seconds=0)
    assert len(found.latencies_s) == 3 and not found.gpu_times
    assert math.isfinite(found.cpu_s)
