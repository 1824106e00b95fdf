"""Frames through a runner, one group ahead of the results where it can overlap them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import suppress
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from unit_edge.runtime.batch import Image, stacked
from unit_edge.runtime.runner import IN_FLIGHT, Runner, is_overlapping

T = TypeVar("T")
Waiting = Callable[[], NDArray[np.uint8]]


def inferred(
    runner: Runner,
    groups: Iterable[list[T]],
    image_of: Callable[[T], Image],
    *,
    overlap: bool,
    more: Callable[[], bool],
    spent: Callable[[float], None],
) -> Generator[tuple[list[T], NDArray[np.uint8]], None, None]:
    """Each group with its translations, uint8[len(group),H,W,3], in order.

    Close it when you leave early: what was started is then waited for, so that the runner is free again.

    Args:
        groups: at most a batch each, of images of one size.
        overlap: start on the next group before the result of one is waited for, if the runner can.
        more: whether there is a next group already; one that is still to come holds no result up.
        spent: gets the seconds of each call of the runner.
    """
    ahead = IN_FLIGHT if overlap and is_overlapping(runner) else 1
    started: deque[tuple[list[T], Waiting]] = deque()

    def finish() -> tuple[list[T], NDArray[np.uint8]]:
        group, wait = started.popleft()
        mark = time.perf_counter()
        images = wait()
        spent(time.perf_counter() - mark)
        return group, images[: len(group)]

    try:
        for group in groups:
            mark = time.perf_counter()
            started.append((group, _start(runner, [image_of(item) for item in group], at_once=ahead == 1)))
            spent(time.perf_counter() - mark)
            while started and (len(started) == ahead or not more()):
                yield finish()
        while started:
            yield finish()
    finally:
        for _, wait in started:
            with suppress(Exception):  # the first failure is the one that is told
                wait()


def _start(runner: Runner, images: Sequence[Image], *, at_once: bool) -> Waiting:
    frames = stacked(images, runner.manifest.batch)
    if not at_once and is_overlapping(runner):
        return runner.start(frames)
    translated = runner.infer(frames)
    return lambda: translated
