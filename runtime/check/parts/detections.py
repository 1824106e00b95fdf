"""Detections kept, lost and invented, by class and size, and over confidence thresholds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from unit_edge.runtime.check.boxes import SIZES
from unit_edge.runtime.check.found import FLOOR, Found
from unit_edge.runtime.check.intervals import Figure, ratios
from unit_edge.runtime.check.matching import Outcome, compare, match
from unit_edge.runtime.check.pairs import Pair
from unit_edge.runtime.check.part import Answer
from unit_edge.runtime.check.parts.worst import WorstFrames, strip_png
from unit_edge.runtime.check.report.plots import curve_png
from unit_edge.runtime.check.report.table import detection_rows
from unit_edge.runtime.check.section import Picture, Section

CURVE = tuple(round(0.05 * step, 2) for step in range(1, 20))
"""Confidence thresholds of the curve."""

COUNTS = ("before", "after", "kept", "lost", "faded", "renamed", "invented", "risen")
_SUMS = ("confidence_before", "confidence_after")  # over kept boxes
RATIOS = {
    "kept_share": ("kept", "before"),
    "lost_share": ("lost", "before"),
    "invented_share": ("invented", "after"),
    "confidence_before": ("confidence_before", "kept"),
    "confidence_after": ("confidence_after", "kept"),
}
"""Figure → what is divided by what, each summed over scenes."""

DEFINITIONS = (
    "Kept: a box of the input that the detector finds in the translation too, of the same class and "
    "overlapping enough. Lost: one that it doesn't; faded ones are still there with half the confidence or "
    "more, renamed ones as another class. Invented: a box of the translation that is none of the input's; "
    "the share is of the translation's boxes. Small is below 32x32 pixels, large from 96x96 on. Intervals "
    "are from resampled scenes."
)

Key = tuple[int, int, str]  # class, size, what


@dataclass
class _Scene:
    """Of one scene: sums by class, size and name, and for each threshold of the curve."""

    sums: defaultdict[Key, float] = field(default_factory=lambda: defaultdict(float))
    curve: Any = field(default_factory=lambda: np.zeros((len(CURVE), 3), np.int64))  # before, after, kept
    frames: int = 0


@dataclass(frozen=True)
class FrameRow:
    """One frame's counts, for the CSV file.

    Attributes:
        kept_share: None where the input has no box.
        passed: whether that reaches --min-kept; True where there is nothing to keep.
    """

    scene: str
    frame: str
    seconds: float | None
    before: int
    after: int
    kept: int
    lost: int
    invented: int
    kept_share: float | None
    passed: bool


class Detections:
    """Counts what becomes of the detector's own boxes on the input."""

    name = "detections"

    def __init__(
        self,
        classes: Sequence[str],
        *,
        confidence: float,
        iou_threshold: float,
        min_kept: float | None = None,
        seed: int = 0,
        worst: int = 8,
    ) -> None:
        """Begins to count.

        Args:
            classes: the detector's names.
            confidence: from which a box counts.
            iou_threshold: from which two boxes of a class are of one object.
            min_kept: the share that the check asks for, if it asks for one.
            seed: of the intervals.
            worst: how many of the worst frames are shown.
        """
        self._classes, self._seed = classes, seed
        self._confidence, self._iou, self._min_kept = confidence, iou_threshold, min_kept
        self._scenes: dict[str, _Scene] = {}
        self.frames: list[FrameRow] = []
        self.worst = WorstFrames(classes, worst)

    def see(self, pair: Pair, found: Found | None) -> None:
        assert found is not None, "this part needs a detector"
        outcome = compare(found.before, found.after, confidence=self._confidence, iou_threshold=self._iou)
        scene = self._scenes.setdefault(pair.scene, _Scene())
        scene.frames += 1
        _count(scene.sums, outcome)
        for step, threshold in enumerate(CURVE):
            strong = found.before.above(threshold), found.after.above(threshold)
            scene.curve[step] += [*map(len, strong), len(match(*strong, self._iou))]
        self.frames.append(self._row(pair, outcome))
        self.worst.see(pair, outcome)

    def _row(self, pair: Pair, outcome: Outcome) -> FrameRow:
        share = len(outcome.kept) / len(outcome.before) if len(outcome.before) else None
        passed = share is None or self._min_kept is None or share >= self._min_kept
        return FrameRow(
            scene=pair.scene,
            frame=pair.name,
            seconds=pair.seconds,
            before=len(outcome.before),
            after=len(outcome.after),
            kept=len(outcome.kept),
            lost=len(outcome.lost),
            invented=len(outcome.invented),
            kept_share=share,
            passed=passed,
        )

    def answer(self) -> Answer:
        figures = self._figures()
        pictures = [
            Picture("curve.png", curve_png(figures["curve"], self._confidence), "Over confidence thresholds"),
            Picture(
                "worst.png", strip_png(self.worst.frames), "The frames in which most was lost or invented"
            ),
        ]
        section = Section(
            title="Detections", paragraphs=[DEFINITIONS], rows=detection_rows(figures), pictures=pictures
        )
        flat = [dict(_flat(group)) for group in figures["groups"]]
        frames = [vars(row) for row in self.frames]
        return Answer(figures, [section], {"detections.csv": flat, "frames.csv": frames})

    def _figures(self) -> dict[str, Any]:
        present = sorted({key[0] for scene in self._scenes.values() for key in scene.sums})
        groups: list[tuple[str, str, set[int], set[int]]] = [("all", "all", set(present), {0, 1, 2})]
        groups += [("all", size, set(present), {place}) for place, size in enumerate(SIZES)]
        for number in present:
            groups.append((self._classes[number], "all", {number}, {0, 1, 2}))
            groups += [(self._classes[number], size, {number}, {k}) for k, size in enumerate(SIZES)]
        rows = self._rows(groups)
        tested = [row for row in self.frames if row.kept_share is not None]
        return {
            "confidence": self._confidence,
            "iou": self._iou,
            "floor": FLOOR,
            "groups": [row for row in rows if row["before"] or row["after"]] or rows[:1],
            "curve": self._curve(),
            "frames_with_boxes": len(tested),
            "min_kept": self._min_kept,
            "frames_below_min_kept": sum(not row.passed for row in self.frames),
            "worst": self.worst.as_list(),
        }

    def _rows(self, groups: list[tuple[str, str, set[int], set[int]]]) -> list[dict[str, Any]]:
        """The figures of each group: a class and size, or all of them."""
        names = (*COUNTS, *_SUMS)
        table = np.zeros((len(self._scenes), len(groups), len(names)))
        members: dict[tuple[int, int], list[int]] = {}
        for place, (_, _, classes, sizes) in enumerate(groups):
            for key in ((c, s) for c in classes for s in sizes):
                members.setdefault(key, []).append(place)
        for scene, row in zip(self._scenes.values(), table, strict=True):
            for (number, size, what), value in scene.sums.items():
                row[members[number, size], names.index(what)] += value
        figures: dict[str, list[Figure]] = {
            name: ratios(table[:, :, names.index(top)], table[:, :, names.index(bottom)], self._seed)
            for name, (top, bottom) in RATIOS.items()
        }
        sums = table.sum(0)
        return [
            {
                "class": groups[place][0],
                "size": groups[place][1],
                **{name: int(sums[place, k]) for k, name in enumerate(COUNTS)},
                **{name: found[place].as_dict() for name, found in figures.items()},
            }
            for place in range(len(groups))
        ]

    def _curve(self) -> list[dict[str, Any]]:
        table = np.array([scene.curve for scene in self._scenes.values()]).reshape(-1, len(CURVE), 3)
        before, after, kept = table[..., 0], table[..., 1], table[..., 2]
        sums = table.sum(0)
        shares = ratios(kept, before, self._seed), ratios(after - kept, after, self._seed)
        return [
            {
                "confidence": threshold,
                "before": int(sums[step, 0]),
                "after": int(sums[step, 1]),
                "kept": int(sums[step, 2]),
                "kept_share": shares[0][step].as_dict(),
                "invented_share": shares[1][step].as_dict(),
            }
            for step, threshold in enumerate(CURVE)
        ]


def _flat(group: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """A group's figures with their intervals as columns of their own."""
    for name, value in group.items():
        if isinstance(value, dict):
            yield name, value["value"]
            yield from ((f"{name}_{end}", value[end]) for end in ("low", "high"))
        else:
            yield name, value


def _count(sums: dict[Key, float], outcome: Outcome) -> None:
    """Adds one frame. What is invented counts for the size that it has in the translation."""

    def add(what: str, number: int, size: int, value: float = 1) -> None:
        sums[number, size, what] += value

    before, after = outcome.before, outcome.after
    for what, boxes, places in (
        ("before", before, np.arange(len(before))),
        ("after", after, np.arange(len(after))),
        ("kept", before, outcome.kept[:, 0]),
        ("lost", before, outcome.lost),
        ("faded", before, outcome.lost[outcome.faded]),
        ("renamed", before, outcome.lost[outcome.renamed]),
        ("invented", after, outcome.invented),
        ("risen", after, outcome.invented[outcome.risen]),
    ):
        chosen = boxes.take(places)
        for number, size in zip(chosen.classes.tolist(), chosen.sizes.tolist(), strict=True):
            add(what, number, size)
    sizes = before.sizes
    for i, j in outcome.kept.tolist():
        number, size = int(before.classes[i]), int(sizes[i])
        add("confidence_before", number, size, float(before.scores[i]))
        add("confidence_after", number, size, float(after.scores[j]))
