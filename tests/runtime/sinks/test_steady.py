"""Steadying takes flicker back that was put in, and leaves alone what is none."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import cv2
import numpy as np
import pytest
from doubles import ListSink
from numpy.typing import NDArray

from unit_edge.frames import Frame
from unit_edge.runtime.sinks.steady import Steadier, SteadySink

Image = NDArray[np.uint8]


def scene(seed: int, height: int = 400, width: int = 700) -> Image:
    """Soft blobs of all sizes, as a street has them."""
    noise = np.random.default_rng(seed).normal(0, 1, (height, width, 3)).astype(np.float32)
    layers = sum(cv2.GaussianBlur(noise, (0, 0), sigma) * sigma for sigma in (2.0, 6.0, 20.0))
    return np.clip(128 + 70 * np.asarray(layers), 0, 255).astype(np.uint8)


def drive(count: int, speed: int = 3) -> Iterator[Image]:
    """A camera that moves over the scene by whole pixels a frame."""
    whole = scene(1)
    for index in range(count):
        yield np.ascontiguousarray(whole[20:340, index * speed : index * speed + 480])


def translated(frame: Image, offset: float = 0) -> Image:
    return np.clip(frame * 0.6 + 20 + offset, 0, 255).round().astype(np.uint8)


def test_flicker_that_was_put_in_is_taken_out() -> None:
    offsets = np.random.default_rng(0).normal(0, 8, 20)
    steadier, left = Steadier(), []
    for frame, offset in zip(drive(20), offsets, strict=True):
        out = steadier.steady(frame, translated(frame, offset))
        left.append(float((out.astype(float) - translated(frame)).mean()))
    jumps, jumps_left = np.abs(np.diff(offsets)), np.abs(np.diff(left))
    assert jumps_left.mean() < 0.5 * jumps.mean()


def test_what_does_not_flicker_stays() -> None:
    steadier = Steadier()
    for frame in drive(12):
        out = steadier.steady(frame, translated(frame))
        assert np.abs(out.astype(int) - translated(frame)).mean() < 1


def test_nothing_of_the_scene_before_a_cut_is_left() -> None:
    steadier = Steadier()
    for frame in drive(3):
        steadier.steady(frame, translated(frame))
    other = scene(2)[:320, :480]
    assert np.array_equal(steadier.steady(other, translated(other)), translated(other))


def test_what_moves_by_itself_leaves_no_trail() -> None:
    """A bright disc jumps over a still street; where it was, the street is back at once."""
    steadier, street = Steadier(), scene(3)[:320, :480]
    for x in (60, 180, 300, 420):
        frame = street.copy()
        cv2.circle(frame, (x, 160), 40, (255, 255, 255), -1)
        out = steadier.steady(frame, translated(frame))
    for x in (180, 300):  # the last places of it
        place = slice(130, 190), slice(x - 20, x + 20)
        assert np.abs(out[place].astype(int) - translated(street)[place]).mean() < 4


def test_frames_of_another_size_begin_anew() -> None:
    steadier = Steadier()
    for size in ((480, 320), (480, 320), (64, 48), (1280, 720), (33, 35)):
        frame = cv2.resize(scene(4), size)
        assert np.array_equal(steadier.steady(frame, translated(frame)).shape, frame.shape)


def test_a_sink_gets_steadied_frames() -> None:
    kept = ListSink()
    with SteadySink(kept) as sink:
        for index, frame in enumerate(drive(4)):
            sink.write(Frame(translated(frame, 12 * (index % 2)), index, Fraction(index), before=frame))
        sink.cut_short()
    assert kept.state == "finished" and kept.was_cut_short and len(kept.frames) == 4
    means = [float(frame.image.mean()) for frame in kept.frames]
    assert np.ptp(np.diff(means)) < np.ptp([12, -12, 12])
    assert means[1] - means[0] == pytest.approx(0.2 * 12, abs=2)
