"""Many clips on a Ray cluster, from and to folders or object stores.

What is imported here is loaded when it is first used: what passes between processes is read without it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unit_edge.runtime.fleet.batches import UnitEdge, UnitEdgeVideos
    from unit_edge.runtime.fleet.fleet import translate_many

__all__ = ["UnitEdge", "UnitEdgeVideos", "translate_many"]

_HOMES = {"UnitEdge": "batches", "UnitEdgeVideos": "batches", "translate_many": "fleet"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
