"""Frames through a runner, one group ahead of the results where it can overlap them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from unit_edge.runtime.backends.base import Runner, is_overlapping
from unit_edge.runtime.batch import Image, stacked

T = TypeVar("T")
Waiting = Callable[[], NDArray[np.uint8]]


@dataclass(frozen=True)
class Inferred(Generic[T]):
    """A group that has been through the runner.

    Attributes:
        group: as it was given.
        images: its translations, uint8[len(group),H,W,3].
        begun: seconds of time.perf_counter(), when the runner got it, or was done with the one before.
        back: when the result was there.
    """

    group: list[T]
    images: NDArray[np.uint8]
    begun: float
    back: float


def inferred(
    runner: Runner,
    groups: Iterable[list[T]],
    image_of: Callable[[T], Image],
    *,
    overlap: bool,
    more: Callable[[], bool],
    spent: Callable[[float], None],
) -> Generator[Inferred[T], None, None]:
    """Each group with its translations, in order.

    Close it when you leave early: what was started is then waited for, so that the runner is free again.

    Args:
        groups: at most a batch each, of images of one size.
        overlap: start on the next group before the result of one is waited for, if the runner can.
        more: whether there is a next group already; one that is still to come holds no result up.
        spent: gets the seconds of each call of the runner.
    """
    ahead = runner.in_flight if overlap and is_overlapping(runner) else 1
    started: deque[tuple[list[T], Waiting, float]] = deque()
    before = 0.0

    def finish() -> Inferred[T]:
        nonlocal before
        group, wait, begun = started.popleft()
        mark = time.perf_counter()
        images = wait()
        begun, before = max(begun, before), time.perf_counter()
        spent(before - mark)
        return Inferred(group=group, images=images[: len(group)], begun=begun, back=before)

    try:
        for group in groups:
            mark = time.perf_counter()
            wait = _start(runner, [image_of(item) for item in group], at_once=ahead == 1)
            started.append((group, wait, mark))
            spent(time.perf_counter() - mark)
            while started and (len(started) == ahead or not more()):
                yield finish()
        while started:
            yield finish()
    finally:
        for _, wait, _ in started:
            with suppress(Exception):  # the first failure is the one that is told
                wait()


def _start(runner: Runner, images: Sequence[Image], *, at_once: bool) -> Waiting:
    frames = stacked(images, runner.manifest.batch)
    if not at_once and is_overlapping(runner):
        return runner.start(frames)
    translated = runner.infer(frames)
    return lambda: translated
