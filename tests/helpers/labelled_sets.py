"""Small labelled data sets, and what a translation of one says of itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np


def write_picture(path: Path, value: int = 40) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((64, 96, 3), value, np.uint8))


def value_of(path: Path) -> int:
    image = cv2.imread(str(path))
    assert image is not None
    return int(image[0, 0, 0])


def write_coco(here: Path) -> Path:
    """Four pictures of grey 40, each with a box; two have folders in their names."""
    names = ["a.png", "b.png", "deep/a.png", "deep/c.png"]
    for name in names:
        write_picture(here / "set" / "images" / name)
    boxes = [
        {
            "id": 5 * k,
            "image_id": 10 + k,
            "category_id": 1,
            "bbox": [1, 2, 30, 40],
            "area": 1200,
            "iscrowd": 0,
        }
        for k in range(4)
    ]
    content = {
        "info": {"description": "test"},
        "images": [{"id": 10 + k, "file_name": n, "width": 96, "height": 64} for k, n in enumerate(names)],
        "annotations": boxes,
        "categories": [{"id": 1, "name": "car"}],
    }
    path = here / "set" / "annotations" / "train.json"
    path.parent.mkdir()
    path.write_text(json.dumps(content))
    return path


def record(folder: Path) -> Any:
    return json.loads((folder / "dataset.json").read_text())


def roboflow(folder: Path) -> None:
    """A picture and its label in each of train and val, in folders of their own."""
    for split in ("train", "val"):
        write_picture(folder / split / "images" / f"{split}.png")
        (folder / split / "labels").mkdir()
        (folder / split / "labels" / f"{split}.txt").write_text("0 0.5 0.5 0.2 0.2\n")
