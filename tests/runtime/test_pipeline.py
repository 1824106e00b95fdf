"""Every frame goes through, in order, with all three stages at work; no failure hangs or gets lost."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import pytest
from doubles import SIZE, AddRunner, ListSink, ListSource, within

from unit_edge.errors import TruncatedError
from unit_edge.interrupt import Interrupted
from unit_edge.runtime.channel import Channel
from unit_edge.runtime.frame_times import FrameTimes
from unit_edge.runtime.pipeline import Stats, run
from unit_edge.runtime.resize import resized


class Boom(RuntimeError):
    pass


@pytest.mark.parametrize("slow", ["source", "runner", "sink", "none"])
def test_every_frame_in_order_whichever_stage_is_slow(slow: str) -> None:
    class SlowSource(ListSource):
        def __iter__(self):  # type: ignore[no-untyped-def]
            for frame in super().__iter__():
                time.sleep(0.002)
                yield frame

    source = (SlowSource if slow == "source" else ListSource)(40)
    sink = ListSink(seconds=0.002 if slow == "sink" else 0)
    stats = within(20, lambda: run(source, AddRunner(seconds=0.002 if slow == "runner" else 0), sink))
    assert [frame.index for frame in sink.frames] == list(range(40))
    assert all((frame.image == frame.index + 100).all() for frame in sink.frames)
    assert [frame.pts for frame in sink.frames] == sorted(frame.pts for frame in sink.frames)
    assert (stats.frames, sink.state, sink.was_cut_short) == (40, "finished", False)
    assert stats.seconds > 0 and stats.fps > 0


def test_the_stages_run_beside_each_other() -> None:
    sink = ListSink()
    runner_threads = set()

    class Watched(AddRunner):
        def infer(self, frames):  # type: ignore[no-untyped-def]
            runner_threads.add(threading.get_ident())
            return super().infer(frames)

    run(ListSource(10), Watched(), sink)
    assert runner_threads == {threading.get_ident()}
    assert not sink.threads & runner_threads


def test_the_passage_of_each_frame_is_kept() -> None:
    frame_times: list[FrameTimes] = []
    stats = run(ListSource(6), AddRunner(seconds=0.003), ListSink(seconds=0.002), frame_times=frame_times)
    assert len(frame_times) == stats.shown == 6
    for frame in frame_times:
        times = [getattr(frame, name) for name in ("read_from", "read_to", "infer_from")]
        times += [frame.infer_to, frame.write_from, frame.write_to]
        assert times == sorted(times)
        assert frame.infer_to - frame.infer_from >= 0.003 and frame.age_s is None
        assert frame.write_to - frame.write_from >= 0.002
    for stage in ("read", "infer", "write"):  # a stage has one frame at a time
        spans = [(getattr(p, f"{stage}_from"), getattr(p, f"{stage}_to")) for p in frame_times]
        assert all(end <= begin for (_, end), (begin, _) in pairwise(spans))


def test_a_slow_stage_holds_the_source_up() -> None:
    source = ListSource(60)
    lead = []

    def watch(stats: Stats) -> None:
        lead.append(source.read - stats.frames)

    run(source, AddRunner(seconds=0.001), ListSink(seconds=0.005), watch)
    assert max(lead) <= 8, "reading ahead without bound would fill the memory"


@pytest.mark.parametrize("at", [0, 7])
@pytest.mark.parametrize("stage", ["source", "runner", "sink"])
def test_an_exception_stops_all_and_comes_out(stage: str, at: int) -> None:
    before = threading.active_count()
    source = ListSource(at if stage == "source" else 100, Boom() if stage == "source" else None)
    runner = AddRunner(error=Boom() if stage == "runner" else None, error_at=at)
    sink = ListSink(error=Boom() if stage == "sink" else None, error_at=at)
    with pytest.raises(Boom):
        within(20, lambda: run(source, runner, sink))
    assert sink.state == "discarded"
    assert source.read < 100 or stage == "source"
    assert threading.active_count() == before


def test_an_exception_in_progress_stops_all() -> None:
    def fail(_: Stats) -> None:
        raise Boom

    sink = ListSink()
    with pytest.raises(Boom):
        within(20, lambda: run(ListSource(100), AddRunner(), sink, fail))
    assert sink.state == "discarded"


def test_a_truncated_source_is_finished_first() -> None:
    sink = ListSink(seconds=0.005)
    with pytest.raises(TruncatedError, match="after 9"):
        run(ListSource(9, TruncatedError("broke off after 9 frames")), AddRunner(), sink)
    assert len(sink.frames) == 9
    assert (sink.state, sink.was_cut_short) == ("finished", True)


@pytest.fixture
def heeded() -> Iterator[None]:
    """Signals are not ignored, as a background job's SIGINT is."""
    interrupt = signal.signal(signal.SIGINT, signal.default_int_handler)
    terminate = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, terminate)


@pytest.mark.usefixtures("heeded")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_finishes_the_frames_so_far(number: signal.Signals) -> None:
    sink = ListSink(seconds=0.002)

    def interrupt(stats: Stats) -> None:
        if stats.frames == 6:
            signal.raise_signal(number)

    handler = signal.getsignal(number)
    with pytest.raises(Interrupted) as caught:
        run(ListSource(100), AddRunner(), sink, interrupt)
    assert caught.value.signal_number == number
    assert [frame.index for frame in sink.frames] == list(range(6))
    assert (sink.state, sink.was_cut_short) == ("finished", True)
    assert signal.getsignal(number) is handler


@pytest.mark.usefixtures("heeded")
def test_a_second_interruption_discards() -> None:
    sink = ListSink()

    def interrupt(_: Stats) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt) as caught:
        run(ListSource(100), AddRunner(), sink, interrupt)
    assert not isinstance(caught.value, Interrupted)
    assert sink.state == "discarded"


def test_an_ignored_signal_stays_ignored() -> None:
    sink = ListSink()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        run(ListSource(5), AddRunner(), sink, lambda _: signal.raise_signal(signal.SIGINT))
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(sink.frames) == 5


@pytest.mark.parametrize("model_size", [(16, 12), (64, 60), None])
def test_frames_fit_the_model_and_come_back_in_their_size(model_size: tuple[int, int] | None) -> None:
    runner, sink = AddRunner(model_size), ListSink()
    run(ListSource(3), runner, sink)
    width, height = model_size or SIZE
    assert set(runner.shapes) == {(1, height, width, 3)}
    assert all(frame.image.shape == (SIZE[1], SIZE[0], 3) for frame in sink.frames)
    assert [int(frame.image.mean()) for frame in sink.frames] == [100, 101, 102]


def test_shrinking_takes_the_mean_of_an_area() -> None:
    image = np.zeros((40, 40, 3), np.uint8)
    image[:, ::4] = 200  # what only looks at the middle of each four columns sees black
    assert (resized(image, 10, 10) == 50).all()
    assert resized(image, 40, 40) is image


def test_a_channel_ends_for_both_sides() -> None:
    def drain(channel: Channel[int]) -> list[int]:
        return within(10, lambda: list(channel))

    channel: Channel[int] = Channel(3)
    assert all(channel.put(item) for item in (1, 2, 3))
    channel.end()
    assert drain(channel) == [1, 2, 3]
    channel.leave()
    assert channel.put(4) is False
    assert drain(channel) == []


def test_a_full_channel_waits_until_the_taker_leaves() -> None:
    channel: Channel[int] = Channel(1)
    channel.put(0)
    waiting: list[Callable[[], bool]] = []
    thread = threading.Thread(target=lambda: waiting.append(channel.put(1)))  # type: ignore[arg-type]
    thread.start()
    channel.leave()
    thread.join(10)
    assert waiting == [False]
