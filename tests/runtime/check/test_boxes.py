"""Boxes, and which is which: counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from unit_edge.runtime.check.boxes import Boxes, from_centres, iou, suppressed
from unit_edge.runtime.check.matching import compare, match


def boxes(*rows: tuple[float, float, float, float, float, int]) -> Boxes:
    return Boxes.of([r[:4] for r in rows], [r[4] for r in rows], [r[5] for r in rows])


def test_iou_is_that_of_pycocotools() -> None:
    mask = pytest.importorskip("pycocotools.mask", reason='needs pip install "unit-edge[check]"')
    rng = np.random.default_rng(0)
    a, b = (np.sort(rng.uniform(0, 100, (9, 2, 2)), axis=1).reshape(9, 4) for _ in range(2))
    as_coco = [np.concatenate([x[:, :2], x[:, 2:] - x[:, :2]], 1) for x in (a, b)]
    assert np.allclose(iou(a, b), mask.iou(*as_coco, [0] * 9), atol=1e-12)
    assert iou(a, np.empty((0, 4))).shape == (9, 0)


def test_sizes_are_cocos() -> None:
    sides = [31.9, 32, 95.9, 96]
    sizes = boxes(*[(0, 0, side, side, 1, 0) for side in sides]).sizes
    assert sizes.tolist() == [0, 1, 1, 2]


def test_centres_and_clipping() -> None:
    assert from_centres(np.array([[10, 20, 4, 6]])).tolist() == [[8, 17, 12, 23]]
    cut = boxes((-5, -5, 5, 5, 1, 0), (50, 0, 60, 10, 1, 0)).clipped(40, 30)
    assert cut.xyxy.tolist() == [[0, 0, 5, 5]]


def test_suppression_leaves_the_best_of_each_class() -> None:
    given = boxes(
        (0, 0, 10, 10, 0.5, 0), (1, 0, 11, 10, 0.9, 0), (0, 0, 10, 10, 0.4, 1), (90, 0, 99, 9, 0.1, 0)
    )
    assert suppressed(given, 0.5).scores.tolist() == [0.9, 0.4, 0.1]


def test_hungarian_finds_more_than_greedy() -> None:
    # the best pair is (first, second), but then the two others have nothing left
    before = boxes((0, 0, 10, 10, 1, 0), (0, 4, 10, 14, 1, 0))
    after = boxes((0, -3, 10, 7, 1, 0), (0, 1, 10, 11, 1, 0))
    assert iou(before.xyxy, after.xyxy).round(2).tolist() == [[0.54, 0.82], [0.18, 0.54]]
    assert match(before, after, 0.5).tolist() == [[0, 0], [1, 1]]
    assert match(before, after, 0.6).tolist() == [[0, 1]]


def test_a_box_at_the_threshold_matches_and_another_class_does_not() -> None:
    before = boxes((0, 0, 10, 10, 1, 0))
    assert len(match(before, boxes((0, 0, 10, 5, 1, 0)), 0.5)) == 1
    assert len(match(before, boxes((0, 0, 10, 10, 1, 1)), 0.5)) == 0


def test_outcome_by_hand() -> None:
    before = boxes(
        (0, 0, 10, 10, 0.9, 0),  # kept
        (20, 0, 30, 10, 0.6, 0),  # faded to 0.3
        (40, 0, 50, 10, 0.6, 0),  # gone
        (60, 0, 70, 10, 0.7, 0),  # becomes a box of class 1
        (80, 0, 90, 10, 0.3, 0),  # too faint to count, rises
    )
    after = boxes(
        (0, 0, 10, 10, 0.8, 0),
        (20, 0, 30, 10, 0.3, 0),
        (40, 0, 50, 10, 0.2, 0),  # below half of the threshold
        (60, 0, 70, 10, 0.6, 1),
        (80, 0, 90, 10, 0.5, 0),
        (0, 40, 10, 50, 0.9, 0),  # where nothing was
    )
    outcome = compare(before, after, confidence=0.5, iou_threshold=0.5)
    assert outcome.kept.tolist() == [[0, 0]]
    assert outcome.lost.tolist() == [1, 2, 3]
    assert outcome.faded.tolist() == [True, False, False]
    assert outcome.renamed.tolist() == [False, False, True]
    assert outcome.after.take(outcome.invented).xyxy[:, 0].tolist() == [60, 80, 0]
    assert outcome.risen.tolist() == [False, True, False]


def test_nothing_at_all() -> None:
    nothing = Boxes.of([], [], [])
    outcome = compare(nothing, nothing, confidence=0.5, iou_threshold=0.5)
    assert not len(outcome.kept) and not len(outcome.lost) and not len(outcome.invented)
