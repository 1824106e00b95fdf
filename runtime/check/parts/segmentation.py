"""Whether a segmentation, a drivable area and lane lines stay where they were."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unit_edge.runtime.check.found import Found
from unit_edge.runtime.check.intervals import Figure, ratios
from unit_edge.runtime.check.networks.segmenter import Masks
from unit_edge.runtime.check.pairs import Image, Pair
from unit_edge.runtime.check.part import Answer
from unit_edge.runtime.check.report.table import INTERVAL, figure_text
from unit_edge.runtime.check.section import Section

_BOTH, _EITHER, _BEFORE, _AFTER = range(4)


class Segmentation:
    """Intersection over union of what the segmenter says of a frame and of its translation, by class.

    Pixels are summed over all frames first, as mIoU is usually worked out.
    """

    name = "segmentation"

    def __init__(
        self, segment: Callable[[Image], Masks], names: Mapping[str, Sequence[str]], *, seed: int = 0
    ) -> None:
        """`names` are of the classes of each output; "" for one that is the rest and isn't reported."""
        self._segment, self._names, self._seed = segment, names, seed
        self._scenes: dict[str, dict[str, NDArray[np.int64]]] = {}

    def see(self, pair: Pair, found: Found | None) -> None:
        before, after = self._segment(pair.before), self._segment(pair.after)
        scene = self._scenes.setdefault(
            pair.scene, {name: np.zeros((len(classes), 4), np.int64) for name, classes in self._names.items()}
        )
        for output, counts in scene.items():
            counts += _counts(before[output], after[output], len(counts))

    def answer(self) -> Answer:
        outputs = {output: self._output(output) for output in self._names}
        rows = [["output", "class", "share of pixels", f"IoU ({INTERVAL})"]]
        table = []
        for output, figures in outputs.items():
            if len(figures["classes"]) > 1:
                rows.append([output, "mean IoU", "", figure_text(figures["mean_iou"])])
                rows.append([output, "pixels alike", "", figure_text(figures["pixels_alike"])])
            for row in figures["classes"]:
                shares = " -> ".join(f"{row[f'share_{when}']:.3f}" for when in ("before", "after"))
                rows.append([output, row["class"], shares, figure_text(row["iou"])])
                flat = {"output": output, **{k: v for k, v in row.items() if k != "iou"}}
                table.append({**flat, **{f"iou_{k}": v for k, v in row["iou"].items()}})
        text = (
            "Agreement of what the segmenter says of the input and of the translation; neither is the truth."
        )
        return Answer(
            {"outputs": outputs}, [Section("Segmentation", [text], rows)], {"segmentation.csv": table}
        )

    def _output(self, output: str) -> dict[str, Any]:
        table = np.array([scene[output] for scene in self._scenes.values()], np.int64)
        names = self._names[output]
        total = max(1, int(table[:, :, _BEFORE].sum()))
        present = [k for k, name in enumerate(names) if name and table[:, k, _EITHER].any()]
        ious = ratios(table[:, present, _BOTH], table[:, present, _EITHER], self._seed)
        sums = table.sum(0)
        alike = ratios(
            table[:, :, _BOTH].sum(1, keepdims=True), table[:, :, _BEFORE].sum(1, keepdims=True), self._seed
        )
        values = [figure.value for figure in ious if figure.value is not None]
        return {
            # no interval: the mean is over classes that not every resample has
            "mean_iou": Figure(float(np.mean(values)) if values else None).as_dict(),
            "pixels_alike": alike[0].as_dict(),
            "classes": [
                {
                    "class": names[k],
                    "share_before": float(sums[k, _BEFORE] / total),
                    "share_after": float(sums[k, _AFTER] / total),
                    "iou": figure.as_dict(),
                }
                for k, figure in zip(present, ious, strict=True)
            ],
        }


def _counts(before: NDArray[np.int64], after: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """int64[count,4]: pixels of each class in both, in either, in the first, in the second."""
    first, second = before.reshape(-1), after.reshape(-1)
    both = np.bincount(first[first == second], minlength=count)[:count]
    a, b = (np.bincount(x, minlength=count)[:count] for x in (first, second))
    return np.stack([both, a + b - both, a, b], axis=1)
