"""What a worker counts for Ray's dashboard, and whatever reads the nodes' Prometheus pages."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from unit_edge.runtime.pipeline import Stats

_EVERY_S = 1.0


class Metrics:
    """A worker's counters; outside of Ray they are none.

    ray_unit_edge_fleet_frames_total: frames that were translated.
    ray_unit_edge_fleet_seconds_total: by `stage`: fetch, decode, infer, encode, join, deliver; some overlap.
    ray_unit_edge_fleet_failures_total: clips, segments and pictures that failed.
    """

    def __init__(self, *, in_ray: bool) -> None:
        self._counters: tuple[Any, Any, Any] | None = None
        if in_ray:
            from ray.util.metrics import Counter

            self._counters = (
                Counter("unit_edge_fleet_frames", "Frames that were translated."),
                Counter("unit_edge_fleet_seconds", "Seconds at work; stages overlap.", tag_keys=("stage",)),
                Counter("unit_edge_fleet_failures", "Clips, segments and pictures that failed."),
            )
        self._last = Stats()
        self._told_at = 0.0

    def begin(self) -> None:
        """Before a run of the pipeline."""
        self._last = Stats()

    def update(self, stats: Stats, *, finished: bool = False) -> None:
        """While it runs, as often as there is something new; told are some of them."""
        now = time.monotonic()
        if self._counters is None or (now - self._told_at < _EVERY_S and not finished):
            return
        self._told_at, last = now, self._last
        if stats.frames > last.frames:
            self._counters[0].inc(stats.frames - last.frames)
        for stage in ("decode", "infer", "encode"):
            self._spent(stage, getattr(stats, f"{stage}_s") - getattr(last, f"{stage}_s"))
        self._last = Stats(
            frames=stats.frames, decode_s=stats.decode_s, infer_s=stats.infer_s, encode_s=stats.encode_s
        )

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Counts the seconds that a stage takes, in a `with`."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._spent(stage, time.monotonic() - began)

    def _spent(self, stage: str, seconds: float) -> None:
        if self._counters is not None and seconds > 0:
            self._counters[1].inc(seconds, tags={"stage": stage})

    def failed(self) -> None:
        """Counts an item that failed."""
        if self._counters is not None:
            self._counters[2].inc()
