"""The parent's end of a process that measures a case."""

from __future__ import annotations

from unit_edge.interrupt import StopWish
from unit_edge.machine.child import Child
from unit_edge.machine.child import ChildFailed as CaseFailed

__all__ = ["CaseFailed", "BenchWorker"]


class BenchWorker(Child):
    """A process of worker/worker.py; a context manager, which ends it."""

    def __init__(self, wish: StopWish) -> None:
        """While an answer is waited for, `wish` is looked at: what it asks for comes at once."""
        super().__init__("unit_edge.runtime.bench.worker.worker", wish)
