"""Models that take several frames in one call translate every frame once, in order."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from doubles import SIZE, ListSink, ListSource, picture

from unit_edge.frames import Frame
from unit_edge.runtime.backends.open import open_runner
from unit_edge.runtime.batch import in_batches, infer_images
from unit_edge.runtime.pipeline import run


@pytest.mark.parametrize("count", [1, 3, 4, 5, 8])
def test_no_frame_is_lost_or_doubled(count: int, write_model: Callable[..., Path]) -> None:
    model = write_model("invert", (4, SIZE[1], SIZE[0], 3))
    source, sink = ListSource(count), ListSink()
    with open_runner(model, "onnxruntime") as runner:
        stats = run(source, runner, sink)
    assert stats.frames == count
    assert [frame.index for frame in sink.frames] == list(range(count))
    assert [int(frame.image[0, 0, 0]) for frame in sink.frames] == [255 - index for index in range(count)]


def test_sizes_do_not_share_a_batch() -> None:
    small, large = picture(1), picture(2, (64, 48))
    groups = list(in_batches([small, small, small, large, large, small], 2, lambda image: image))
    assert [len(group) for group in groups] == [2, 1, 2, 1]
    assert all(len({image.shape for image in group}) == 1 for group in groups)


def test_frames_before_a_fault_are_kept(write_model: Callable[..., Path]) -> None:
    from unit_edge.errors import TruncatedError

    model = write_model("invert", (4, None, None, 3))
    source, sink = ListSource(6, TruncatedError("broken")), ListSink()
    with open_runner(model, "onnxruntime") as runner, pytest.raises(TruncatedError):
        run(source, runner, sink)
    assert len(sink.frames) == 6 and sink.was_cut_short


def test_a_part_of_a_batch(write_model: Callable[..., Path]) -> None:
    with open_runner(write_model("invert", (3, None, None, 3)), "onnxruntime") as runner:
        frames = [Frame(picture(index), index, Fraction(index, 25)).image for index in (5, 9)]
        assert [int(image[0, 0, 0]) for image in infer_images(runner, frames)] == [250, 246]
