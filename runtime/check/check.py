"""One pass over the frames: each is read, translated and looked at once, and little of it is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from unit_edge.interrupt import StopWish
from unit_edge.runtime.check.found import FLOOR, Detect, detect_both
from unit_edge.runtime.check.pairs import Pair
from unit_edge.runtime.check.part import CheckPart


@dataclass
class Seen:
    """What went through: frames, and the names of their scenes."""

    frames: int = 0
    scenes: set[str] = field(default_factory=set)


def look_at(
    pairs: Iterable[Pair],
    parts: Sequence[CheckPart],
    detect: Detect | None,
    *,
    floor: float = FLOOR,
    progress: Callable[[int], None] = lambda _: None,
    wish: StopWish | None = None,
) -> Seen:
    """Shows every pair to every part, with what the detector finds on it.

    Args:
        pairs: frames with their translations.
        parts: what looks at them.
        detect: runs a detector on a frame; None where no part needs one.
        floor: confidence below which a box is never looked at.
        progress: is told the number of frames done, after each.
        wish: ends the pass between two frames.
    """
    seen = Seen()
    for pair in pairs:
        if wish:
            break
        found = None if detect is None else detect_both(detect, pair, floor)
        for part in parts:
            part.see(pair, found)
        seen.frames += 1
        seen.scenes.add(pair.scene)
        progress(seen.frames)
    return seen
