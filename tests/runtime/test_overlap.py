"""Runners that overlap frames: the same results in the same order, and nothing is lost or left behind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from doubles import SIZE, AddRunner, ListSink, ListSource, OverlappingAddRunner, picture, within
from fake_gpu import FakeGpu, install

from unit_edge.errors import BackendError
from unit_edge.frames import Frame
from unit_edge.runtime.ahead import inferred
from unit_edge.runtime.backends.base import OverlappingRunner, Runner, is_overlapping
from unit_edge.runtime.backends.gpu_times import GpuTimes, last_gpu_times
from unit_edge.runtime.backends.open import open_runner
from unit_edge.runtime.backends.tensorrt.runner import TensorRtRunner
from unit_edge.runtime.pipeline import Stats, run
from unit_edge.runtime.window.swap import SwapRunner

OpenTensorRt = Callable[[FakeGpu], TensorRtRunner]


@pytest.fixture
def open_tensorrt(
    monkeypatch: pytest.MonkeyPatch, write_model: Callable[..., Path], write_engine: Callable[[Path], Path]
) -> OpenTensorRt:
    """A runner of a backend that inverts, on a GPU that isn't real."""

    def make(gpu: FakeGpu) -> TensorRtRunner:
        install(monkeypatch, gpu)
        return TensorRtRunner(write_engine(write_model("invert")))

    return make


@pytest.fixture(params=["double", "tensorrt", "tensorrt without a graph", "openvino", "onnxruntime"])
def runner(
    request: pytest.FixtureRequest, open_tensorrt: OpenTensorRt, write_model: Callable[..., Path]
) -> Iterator[OverlappingRunner]:
    gpu = FakeGpu(capturable=request.param == "tensorrt")
    if request.param in ("openvino", "onnxruntime"):
        pytest.importorskip(request.param)
        threads = 1 if request.param == "openvino" else 2
        opened = open_runner(write_model("invert"), request.param, threads=threads)
        assert is_overlapping(opened)
        yield opened
    else:
        yield OverlappingAddRunner() if request.param == "double" else open_tensorrt(gpu)
    assert gpu.left_behind == gpu.contexts == 0


def truth(runner: Runner, image: np.ndarray) -> np.ndarray:
    return image + np.uint8(100) if isinstance(runner, OverlappingAddRunner) else 255 - image


def images(count: int = 6) -> list[np.ndarray]:
    return [picture(40 * index)[np.newaxis] for index in range(count)]


def test_results_are_right_and_in_order(runner: OverlappingRunner) -> None:
    with runner:
        assert is_overlapping(runner)
        waiting, given = [], []
        for image in images():
            shown = image.copy()
            waiting.append(runner.start(shown))
            shown[...] = 99  # the caller's again at once
            if len(waiting) == runner.in_flight:
                given.append(waiting.pop(0)())
        given += [wait() for wait in waiting]
        kept = [result.copy() for result in given]
        runner.infer(images()[0])
    for image, result, copy in zip(images(), given, kept, strict=True):
        assert np.array_equal(copy, truth(runner, image))
        assert np.array_equal(result, copy), "a result must not change afterwards"


def test_one_more_than_fits_is_refused(runner: OverlappingRunner) -> None:
    with runner:
        waiting = [runner.start(image) for image in images(runner.in_flight)]
        with pytest.raises(BackendError, match="under way"):
            runner.start(images()[0])
        assert [wait().shape for wait in waiting] == [(1, SIZE[1], SIZE[0], 3)] * runner.in_flight


def test_leaving_with_frames_under_way_is_clean(runner: OverlappingRunner) -> None:
    with runner:
        for image in images(runner.in_flight):
            runner.start(image)


def test_an_error_with_frames_under_way_comes_out(runner: OverlappingRunner) -> None:
    with pytest.raises(ZeroDivisionError), runner:
        runner.start(images()[0])
        raise ZeroDivisionError


def test_a_file_through_it_is_whole_and_in_order(runner: OverlappingRunner) -> None:
    sink = ListSink()
    with runner:
        stats = within(20, lambda: run(ListSource(40), runner, sink))
    assert [frame.index for frame in sink.frames] == list(range(40))
    assert all(np.array_equal(frame.image, truth(runner, picture(frame.index))) for frame in sink.frames)
    assert (stats.frames, stats.shown) == (40, 40) and stats.infer_s > 0


def test_two_frames_are_on_the_gpu_at_once(open_tensorrt: OpenTensorRt) -> None:
    gpu, spent = FakeGpu(), []
    groups = [[picture(40 * index)] for index in range(5)]
    with open_tensorrt(gpu) as runner:
        done = inferred(
            runner, groups, lambda image: image, overlap=True, more=lambda: True, spent=spent.append
        )
        back = 0.0
        for one in done:
            assert np.array_equal(one.images[0], 255 - one.group[0])
            assert back <= one.begun < one.back, "the time of a call is counted once"
            back = one.back
        assert (gpu.contexts, gpu.most_waiting) == (2, 2)
    assert len(spent) == 10


def test_a_file_whose_model_is_slow_overlaps() -> None:
    runner = OverlappingAddRunner(seconds=0.01)
    run(ListSource(10), runner, ListSink())
    assert runner.most_under_way == runner.in_flight


def test_no_result_is_held_up_by_a_frame_that_is_still_to_come() -> None:
    """As of a program that writes a frame to stdin and waits for its translation."""
    written = threading.Event()

    class Answered(ListSource):
        def __iter__(self) -> Iterator[Frame]:
            for frame in super().__iter__():
                yield frame
                assert written.wait(10), f"the result of frame {frame.index} is held up"
                written.clear()

    class Answers(ListSink):
        def write(self, frame: Frame) -> None:
            super().write(frame)
            written.set()

    sink = Answers()
    within(60, lambda: run(Answered(4), OverlappingAddRunner(), sink))
    assert len(sink.frames) == 4


class LiveSource(ListSource):
    live = True
    captured = taken = reconnects = 0
    lost = False

    def __iter__(self) -> Iterator[Frame]:
        for frame in super().__iter__():
            self.captured += 1
            self.taken += 1
            yield frame


def test_a_live_source_pays_for_one_frame_alone(open_tensorrt: OpenTensorRt) -> None:
    gpu = FakeGpu()
    with open_tensorrt(gpu) as runner:
        run(LiveSource(5), runner, ListSink())
        assert (gpu.contexts, gpu.most_waiting) == (1, 1)


@pytest.mark.parametrize("good", [2, 4, 5, 11])
def test_a_failure_at_a_frame_stops_all_and_comes_out(good: int, open_tensorrt: OpenTensorRt) -> None:
    gpu = FakeGpu(capturable=False, good=good)  # each of the two slots takes two to prepare
    before = threading.active_count()
    sink = ListSink()
    with pytest.raises(BackendError, match="failed"), open_tensorrt(gpu) as runner:
        within(20, lambda: run(ListSource(100), runner, sink))
    assert sink.state == "discarded"
    assert gpu.left_behind == gpu.contexts == 0
    assert threading.active_count() == before


@pytest.mark.parametrize("at", [0, 1, 7])
def test_a_failure_that_shows_while_it_is_waited_for(at: int) -> None:
    class Boom(RuntimeError):
        pass

    sink, runner = ListSink(), OverlappingAddRunner(error=Boom(), error_at=at)
    with pytest.raises(Boom):
        within(20, lambda: run(ListSource(100), runner, sink))
    assert sink.state == "discarded" and not runner.under_way


def test_stopping_early_leaves_the_runner_free(open_tensorrt: OpenTensorRt) -> None:
    def fail(stats: Stats) -> None:
        if stats.frames == 3:
            raise ZeroDivisionError

    with open_tensorrt(FakeGpu()) as runner:
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                run(ListSource(100), runner, ListSink(), fail)
        assert (runner.infer(images()[1]) == 255 - 40).all()


@pytest.mark.parametrize("capturable", [True, False])
def test_upload_compute_and_download_are_told_apart(open_tensorrt: OpenTensorRt, capturable: bool) -> None:
    with open_tensorrt(FakeGpu(capturable=capturable)) as runner:
        assert last_gpu_times(runner) is None
        for index in range(3):
            runner.infer(picture(index)[np.newaxis])
            # on this GPU each operation takes a millisecond, and each mark too
            assert last_gpu_times(runner) == GpuTimes(2e-3, 2e-3, 2e-3)
        first, second = runner.start(picture(0)[np.newaxis]), runner.start(picture(1)[np.newaxis])
        first()
        assert last_gpu_times(runner) == GpuTimes(2e-3, 2e-3, 2e-3)
        second()


def test_frames_of_changing_size(open_tensorrt: OpenTensorRt) -> None:
    sizes = [(32, 24), (64, 48), (64, 48), (32, 24), (32, 24), (40, 30)]
    given = []
    with open_tensorrt(FakeGpu()) as runner:
        before = runner.start(picture(0, sizes[0])[np.newaxis])
        for index, size in enumerate(sizes[1:], 1):
            wait = runner.start(picture(index, size)[np.newaxis])
            given.append(before())
            before = wait
        given.append(before())
    for index, size in enumerate(sizes):
        assert np.array_equal(given[index], 255 - picture(index, size)[np.newaxis])


def test_onnxruntime_overlaps_where_threads_and_memory_allow(write_model: Callable[..., Path]) -> None:
    assert is_overlapping(open_runner(write_model(), "onnxruntime", threads=2))
    assert not is_overlapping(open_runner(write_model(), "onnxruntime", threads=1))
    assert not is_overlapping(open_runner(write_model(), "onnxruntime", threads=2, lean=True))


def test_onnxruntime_overlaps_with_no_more_threads(write_model: Callable[..., Path]) -> None:
    runner = open_runner(write_model("invert"), "onnxruntime", threads=3)
    assert is_overlapping(runner)
    with runner:
        before = count_threads()
        # large enough that no call is done, and its thread free, before the next one begins
        frame = np.zeros((1, 2000, 2000, 3), np.uint8)
        for wait in [runner.start(frame) for _ in range(runner.in_flight)]:
            wait()
        assert count_threads() - before == 3, "two that call, and one that helps both"
    assert count_threads() < before


def test_swapping_directions_overlaps_if_both_models_do() -> None:
    image = images(1)[0]
    forth, back = OverlappingAddRunner(), OverlappingAddRunner()
    with forth, SwapRunner(forth, back) as runner:
        assert is_overlapping(runner)
        waiting = [runner.start(image)]
        runner.swap()
        waiting.append(runner.start(image))
        assert (forth.under_way, back.under_way) == (1, 1)
        assert all(np.array_equal(wait(), image + np.uint8(100)) for wait in waiting)
    assert not is_overlapping(SwapRunner(forth, AddRunner()))


def count_threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))
