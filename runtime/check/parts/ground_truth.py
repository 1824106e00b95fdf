"""Recall, precision and average precision before and after, where there are labels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from unit_edge.errors import DataError
from unit_edge.runtime.check.boxes import Boxes, area
from unit_edge.runtime.check.found import Found
from unit_edge.runtime.check.intervals import Figure, ratios
from unit_edge.runtime.check.labels.clips import ClipLabels
from unit_edge.runtime.check.labels.labelset import ANY_CLASS, Labels, LabelSet
from unit_edge.runtime.check.matching import match
from unit_edge.runtime.check.pairs import Pair
from unit_edge.runtime.check.part import Answer
from unit_edge.runtime.check.parts.average_precision import average_precision
from unit_edge.runtime.check.report.table import INTERVAL, figure_text
from unit_edge.runtime.check.section import Section

_COUNTS = ("labels", "found_before", "found_after", "boxes_before", "boxes_after")
_RATIOS = {
    "recall_before": ("found_before", "labels"),
    "recall_after": ("found_after", "labels"),
    "precision_before": ("found_before", "boxes_before"),
    "precision_after": ("found_after", "boxes_after"),
}
AP_FLOOR = 0.01
"""Average precision looks at boxes down to this confidence."""


class GroundTruth:
    """Compares what the detector finds on both with labels."""

    name = "ground_truth"

    def __init__(
        self,
        labels: LabelSet | ClipLabels,
        classes: Sequence[str],
        *,
        rename: dict[str, str],
        confidence: float,
        iou_threshold: float,
        faults: list[str],
        seed: int = 0,
    ) -> None:
        """Begins to compare.

        Args:
            labels: of the input.
            classes: the detector's names.
            rename: labels' names, and the detector's that they stand for.
            confidence: from which a box counts.
            iou_threshold: from which two boxes of a class are of one object.
            faults: gets a line for each picture, clip and box that can't be used.
            seed: of the intervals.

        Raises:
            DataError: not one class has a name that the detector knows.
        """
        self._labels, self._classes, self._seed, self._faults = labels, classes, seed, faults
        self._confidence, self._iou = confidence, iou_threshold
        known = {name.lower(): number for number, name in enumerate(classes) if name}
        said = {name: rename.get(name, name).lower() for name in labels.names()}
        self._numbers = {name: known[wanted] for name, wanted in said.items() if wanted in known}
        self.unknown = [name for name in labels.names() if name not in (*self._numbers, ANY_CLASS)]
        if labels.names() and not self._numbers:
            some = ", ".join(name for name in classes[:12] if name)
            raise DataError(
                f"the labels' classes, {', '.join(labels.names()[:12])}, are none of the detector's, "
                f"{some}...; say which is which with --rename LABEL=CLASS,..."
            )
        self._sums: dict[str, dict[tuple[int, str], int]] = {}
        self._truths: list[Boxes] = []
        self._crowds: list[list[bool]] = []
        self._found: dict[str, list[Boxes]] = {"before": [], "after": []}
        self._outside = 0
        self._unlabelled: dict[str, int] = defaultdict(int)

    @property
    def notes(self) -> list[str]:
        """What of the labels had to be assumed."""
        return self._labels.notes

    def see(self, pair: Pair, found: Found | None) -> None:
        assert found is not None, "this part needs a detector"
        if not self._labels.expected(pair.frame):
            return
        labels = self._labels.of(pair.path, pair.frame)
        if labels is None and pair.frame is not None:
            self._unlabelled[pair.path.name] += 1
            return
        if labels is None:
            self._faults.append(f"{pair.name}: no labels for it; it isn't counted in recall and precision")
            return
        truth, crowd = self._truth(labels, pair)
        sums = self._sums.setdefault(pair.scene, defaultdict(int))
        single = truth.take(~np.asarray(crowd, bool))
        for number in single.classes.tolist():
            sums[number, "labels"] += 1
        for when, boxes in (("before", found.before), ("after", found.after)):
            known = boxes.take(np.isin(boxes.classes, list(self._numbers.values())))
            strong = known.above(self._confidence)
            hits = match(single, strong, self._iou)
            rest = np.setdiff1d(np.arange(len(strong)), hits[:, 1])
            ignored = rest[_in_crowd(strong.take(rest), truth.take(np.asarray(crowd, bool)), self._iou)]
            for number in single.classes[hits[:, 0]].tolist():
                sums[number, f"found_{when}"] += 1
            for number in np.delete(strong.classes, ignored).tolist():
                sums[number, f"boxes_{when}"] += 1
            self._found[when].append(known)
        self._truths.append(truth)
        self._crowds.append(crowd)

    def _truth(self, labels: Labels, pair: Pair) -> tuple[Boxes, list[bool]]:
        """The labels of known classes, within the picture."""
        height, width = pair.before.shape[:2]
        xyxy = labels.in_pixels(width, height)
        inside = xyxy.clip(0, [width, height, width, height])
        empty = area(inside) <= 0
        for box in xyxy[empty]:
            corners = ", ".join(f"{side:.0f}" for side in box)
            self._faults.append(f"{pair.name}: the label at {corners} has no area within {width}x{height}")
        self._outside += int((np.abs(inside - xyxy).max(1, initial=0) > 1)[~empty].sum())
        chosen, numbers = [], []
        for place, name in enumerate(labels.names):
            known = [self._numbers[name]] if name in self._numbers else []
            if name == ANY_CLASS:
                known = list(self._numbers.values())
            chosen += [] if empty[place] else [place] * len(known)
            numbers += [] if empty[place] else known
        return Boxes.of(inside[chosen], np.ones(len(chosen)), numbers), [labels.crowd[k] for k in chosen]

    def answer(self) -> Answer:
        self._faults += [
            f"{clip}: {count} frames have no labels and aren't counted in recall and precision; where only "
            "every N-th is labelled, say --label-step N"
            for clip, count in self._unlabelled.items()
        ]
        numbers = sorted({key[0] for sums in self._sums.values() for key in sums})
        groups = [("all", set(numbers)), *((self._classes[number], {number}) for number in numbers)]
        table = np.zeros((len(self._sums), len(groups), len(_COUNTS)))
        for row, sums in zip(table, self._sums.values(), strict=True):
            for (number, what), count in sums.items():
                for place, (_, members) in enumerate(groups):
                    row[place, _COUNTS.index(what)] += count * (number in members)
        figures: dict[str, list[Figure]] = {
            name: ratios(table[:, :, _COUNTS.index(top)], table[:, :, _COUNTS.index(bottom)], self._seed)
            for name, (top, bottom) in _RATIOS.items()
        }
        totals = table.sum(0)
        precision = {
            when: average_precision(self._truths, self._crowds, boxes) for when, boxes in self._found.items()
        }
        result: dict[str, Any] = {
            "kind": self._labels.kind,
            "what": "frames" if isinstance(self._labels, ClipLabels) else "pictures",
            "pictures": len(self._truths),
            "unknown_classes": self.unknown,
            "boxes_cut_at_the_border": self._outside,
            "average_precision_before": precision["before"],
            "average_precision_after": precision["after"],
            "groups": [
                {
                    "class": name,
                    **{count: int(totals[place, k]) for k, count in enumerate(_COUNTS)},
                    **{ratio: found[place].as_dict() for ratio, found in figures.items()},
                }
                for place, (name, _) in enumerate(groups)
            ],
        }
        return Answer(result, [_section(result)], {"ground_truth.csv": [_flat(g) for g in result["groups"]]})


def _in_crowd(boxes: Boxes, crowds: Boxes, share: float) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Places of boxes of which at least that share lies in a crowd of their class, as COCO ignores them."""
    low = np.maximum(boxes.xyxy[:, None, :2], crowds.xyxy[None, :, :2])
    high = np.minimum(boxes.xyxy[:, None, 2:], crowds.xyxy[None, :, 2:])
    both = (high - low).clip(0).prod(-1)
    inside = both >= share * area(boxes.xyxy)[:, None]
    return np.flatnonzero((inside & (boxes.classes[:, None] == crowds.classes[None])).any(1))


def _flat(group: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in group.items():
        if isinstance(value, dict):
            flat |= {name: value["value"], f"{name}_low": value["low"], f"{name}_high": value["high"]}
        else:
            flat[name] = value
    return flat


def _section(result: dict[str, Any]) -> Section:
    head = ["class", "labels", *(f"{what} ({INTERVAL})" for what in ("recall", "precision"))]
    rows = [head]
    for group in result["groups"]:
        cells = [
            " -> ".join(figure_text(group[f"{what}_{when}"]) for when in ("before", "after"))
            for what in ("recall", "precision")
        ]
        rows.append([group["class"], str(group["labels"]), *cells])
    before, after = result["average_precision_before"], result["average_precision_after"]

    def text(value: float | None) -> str:
        return "-" if value is None else f"{value:.3f}"

    paragraphs = [
        f"Against the labels of {result['pictures']} {result['what']} ({result['kind']}): "
        f"AP {text(before['ap'])} -> {text(after['ap'])}, "
        f"AP50 {text(before['ap50'])} -> {text(after['ap50'])} (pycocotools)."
    ]
    if result["unknown_classes"]:
        paragraphs.append(
            f"Not counted, as the detector has no such class: {', '.join(result['unknown_classes'])}."
        )
    return Section("Against labels", paragraphs, rows)
