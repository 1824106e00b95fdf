"""Whether an input is a labelled data set, and which."""

from __future__ import annotations

from pathlib import Path

from unit_edge.runtime.check.datasets.coco import read_coco_set
from unit_edge.runtime.check.datasets.dataset import DataSet
from unit_edge.runtime.check.datasets.trees import read_tree
from unit_edge.runtime.check.datasets.yolo import read_yolo_set

INDEX_SUFFIXES = (".json", ".yaml", ".yml")


def read_dataset(path: Path, images: Path | None = None) -> DataSet:
    """A COCO or BDD100K .json, a YOLO data.yaml, or a folder tree.

    Raises:
        DataError: it is none of these.
    """
    if path.is_dir():
        return read_tree(path)
    if path.suffix.lower() in (".yaml", ".yml"):
        return read_yolo_set(path)
    return read_coco_set(path, images)
