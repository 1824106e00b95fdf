"""Many clips on a Ray cluster, from and to folders or object stores."""

from unit_edge.runtime.fleet.batches import UnitEdge, UnitEdgeVideos
from unit_edge.runtime.fleet.fleet import translate_many

__all__ = ["UnitEdge", "UnitEdgeVideos", "translate_many"]
