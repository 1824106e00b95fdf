"""Labels from whatever --ground-truth names."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from unit_edge.errors import DataError
from unit_edge.runtime.check.labels.bdd import read_bdd
from unit_edge.runtime.check.labels.coco import read_coco
from unit_edge.runtime.check.labels.labelset import LabelSet
from unit_edge.runtime.check.labels.text import read_folder
from unit_edge.runtime.check.labels.yolo import read_yolo

_EXPECTED = "a COCO or BDD100K .json, a YOLO data.yaml, or a folder of YOLO's or KITTI's .txt files"


def read_labels(path: Path, pictures: Sequence[Path], names: Sequence[str]) -> LabelSet:
    """Reads the labels of pictures.

    Args:
        path: a file or folder.
        pictures: that are looked at.
        names: of the detector's classes, for YOLO's numbers where nothing else names them.

    Raises:
        DataError: it is missing, or of no known format.
    """
    if path.is_dir():
        return read_folder(path, names)
    if not path.is_file():
        raise DataError(f"{path}: no such file or folder; expected {_EXPECTED}")
    if path.suffix.lower() in (".yaml", ".yml"):
        return read_yolo(path, pictures)
    content = read_json(path)
    if isinstance(content, dict):
        return read_coco(path, content)
    if isinstance(content, list):
        return read_bdd(path, content)
    raise DataError(f"{path}: holds no labels; expected {_EXPECTED}")


def read_json(path: Path) -> object:
    """What a JSON file holds.

    Raises:
        DataError: it can't be read, or is no JSON.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; expected {_EXPECTED}")
    try:
        content: object = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise DataError(f"{path}: can't be read as JSON ({error}); expected {_EXPECTED}") from None
    return content
