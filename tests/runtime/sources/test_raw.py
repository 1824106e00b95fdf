"""Raw frames from a real pipe: all of them, and a writer that ends early is noticed."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest
from doubles import SIZE, AddRunner, ListSink, picture, within

from unit_edge.errors import SourceError, TruncatedError
from unit_edge.runtime.pipeline import run
from unit_edge.runtime.sources.raw import RawSource

BYTES = SIZE[0] * SIZE[1] * 3


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Where to read and where to write; the test closes the latter."""
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)


def send(writing: int, data: bytes) -> threading.Thread:
    def work() -> None:
        with os.fdopen(writing, "wb") as file:
            file.write(data)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def frames_of(count: int) -> bytes:
    return b"".join(picture(index).tobytes() for index in range(count))


def source_of(reading: int, fps: Fraction = Fraction(30000, 1001)) -> RawSource:
    return RawSource(SIZE, fps, descriptor=reading)


def test_every_frame_comes_however_slow_the_model_is(pipe: tuple[int, int]) -> None:
    writer, sink = send(pipe[1], frames_of(40)), ListSink()
    with source_of(pipe[0]) as source:
        stats = within(20, lambda: run(source, AddRunner(seconds=0.002), sink))
    writer.join()
    assert [frame.image[0, 0, 0] for frame in sink.frames] == [100 + index for index in range(40)]
    assert [frame.pts for frame in sink.frames] == [Fraction(1001 * index, 30000) for index in range(40)]
    assert all(frame.pts % source.info.time_base == 0 for frame in sink.frames)
    assert (stats.captured, stats.dropped, sink.state) == (0, 0, "finished")


def test_a_writer_that_ends_within_a_frame(pipe: tuple[int, int]) -> None:
    writer, sink = send(pipe[1], frames_of(4)[:-10]), ListSink()
    with (
        source_of(pipe[0]) as source,
        pytest.raises(TruncatedError, match=f"{BYTES - 10} bytes into frame 3"),
    ):
        within(20, lambda: run(source, AddRunner(), sink))
    writer.join()
    assert (len(sink.frames), sink.state, sink.was_cut_short) == (3, "finished", True)


@pytest.mark.parametrize(("data", "message"), [(b"", "no frame came"), (b"12345", "check --raw-size")])
def test_no_frame_at_all(pipe: tuple[int, int], data: bytes, message: str) -> None:
    writer, sink = send(pipe[1], data), ListSink()
    with source_of(pipe[0]) as source, pytest.raises(SourceError, match=message) as caught:
        within(20, lambda: run(source, AddRunner(), sink))
    writer.join()
    assert not isinstance(caught.value, TruncatedError) and sink.state == "discarded"


def test_a_pipe_that_stays_silent_can_be_left(pipe: tuple[int, int]) -> None:
    with source_of(pipe[0]) as source:
        reader = threading.Thread(target=lambda: list(source))
        reader.start()
        source.stop()
        reader.join(20)
        assert not reader.is_alive()
    os.close(pipe[1])


def test_a_terminal_is_refused() -> None:
    leader, terminal = os.openpty()
    try:
        with pytest.raises(SourceError, match="a terminal"), source_of(terminal):
            pass
    finally:
        os.close(leader)
        os.close(terminal)


def test_frames_are_the_readers_own(pipe: tuple[int, int]) -> None:
    send(pipe[1], frames_of(2)).join()
    with source_of(pipe[0]) as source:
        first, second = list(source)
    assert (first.image == 0).all() and (second.image == 1).all()
    assert not np.shares_memory(first.image, second.image)
