"""AP is what pycocotools says of files that it reads itself."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest

from unit_edge.runtime.check.boxes import Boxes
from unit_edge.runtime.check.parts.average_precision import average_precision


def test_against_pycocotools_own_files(tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.coco", reason='needs pip install "unit-edge[check]"')
    cocoeval = pytest.importorskip("pycocotools.cocoeval")
    rng = np.random.default_rng(0)
    truths, crowds, found, annotations, results = [], [], [], [], []
    for image in range(12):
        corner, side = rng.uniform(0, 200, (6, 2)), rng.uniform(10, 120, (6, 2))
        number = rng.integers(0, 3, 6)
        crowd = [bool(k == 0 and image % 4 == 0) for k in range(6)]
        moved, score = corner + rng.normal(0, 8, (6, 2)), rng.uniform(0, 1, 6)
        truths.append(Boxes.of(np.hstack([corner, corner + side]), np.ones(6), number))
        crowds.append(crowd)
        found.append(Boxes.of(np.hstack([moved, moved + side]), score, number))
        for k in range(6):
            box = [*corner[k], *side[k]]
            annotations.append(
                {
                    "id": 6 * image + k + 1,
                    "image_id": image,
                    "category_id": int(number[k]),
                    "bbox": box,
                    "area": float(side[k].prod()),
                    "iscrowd": int(crowd[k]),
                }
            )
            row = {"image_id": image, "category_id": int(number[k]), "bbox": [*moved[k], *side[k]]}
            results.append({**row, "score": float(score[k])})
    images, categories = [{"id": k} for k in range(12)], [{"id": k, "name": str(k)} for k in range(3)]
    truth = {"images": images, "annotations": annotations, "categories": categories, "info": {}}
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    (tmp_path / "results.json").write_text(json.dumps(results))
    with contextlib.redirect_stdout(io.StringIO()):
        theirs = coco.COCO(str(tmp_path / "truth.json"))
        evaluation = cocoeval.COCOeval(theirs, theirs.loadRes(str(tmp_path / "results.json")), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    ours = average_precision(truths, crowds, found)
    assert 0.05 < evaluation.stats[0] < 0.95
    assert ours == pytest.approx({"ap": evaluation.stats[0], "ap50": evaluation.stats[1]}, abs=1e-9)


def test_nothing_to_find_and_nothing_found() -> None:
    nothing, one = Boxes.of([], [], []), Boxes.of([[0, 0, 9, 9]], [1], [0])
    assert average_precision([nothing], [[]], [one]) == {"ap": None, "ap50": None}
    assert average_precision([one], [[False]], [nothing]) == {"ap": 0.0, "ap50": 0.0}
