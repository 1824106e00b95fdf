"""YOLO's data sets: a data.yaml, pictures in .../images/..., labels in .../labels/... with the same names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from unit_edge.errors import DataError
from unit_edge.media.images import is_image
from unit_edge.runtime.check.labels.labelset import Labels, LabelSet, as_names
from unit_edge.runtime.check.labels.text import lines_of, read_yolo_files
from unit_edge.runtime.check.labels.yaml_file import read_yaml

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class YoloSet:
    """What a data.yaml says of a data set.

    Attributes:
        root: what its paths are relative to.
        splits: of each split that it has, what its entry says, as a list.
        names: of the classes.
    """

    root: Path
    splits: dict[str, list[str]]
    names: list[str]

    def pictures(self, split: str) -> list[Path]:
        """The pictures of a split: from folders, and from .txt lists of pictures.

        Raises:
            DataError: an entry is missing.
        """
        found: list[Path] = []
        for entry in self.splits[split]:
            path = self.root / entry
            if path.is_dir():
                found += sorted(p for p in path.rglob("*") if p.is_file() and is_image(p))
            elif path.is_file():
                # a list's entries are relative to the list where they begin with ./
                listed = (Path(line) for line in lines_of(path))
                found += [p if p.is_absolute() else path.parent / p for p in listed]
            else:
                raise DataError(f"{path}: no such folder or list, but the data.yaml names it as its {split}")
        return found


def read_data_yaml(path: Path) -> YoloSet:
    """What ultralytics documents: path, train, val, test, names as a list or as a dict.

    Raises:
        DataError: it lacks names, or all splits.
    """
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise DataError(f"{path}: no data.yaml; expected train, val and names in it")
    names = as_names(content.get("names"))
    if names is None:
        raise DataError(f"{path}: names no classes; expected names: as a list, or as number: name")
    splits = {
        split: [str(item) for item in (entry if isinstance(entry, list) else [entry])]
        for split in SPLITS
        if (entry := content.get(split))
    }
    if not splits:
        raise DataError(f"{path}: has none of train, val and test; expected folders of pictures")
    root = Path(str(content.get("path") or "."))
    return YoloSet(root if root.is_absolute() else path.parent / root, splits, names)


def label_path(picture: Path) -> Path:
    """Where ultralytics looks for a picture's labels: the last folder `images` becomes `labels`."""
    parts = list(picture.parts)
    for place in range(len(parts) - 2, -1, -1):
        if parts[place] == "images":
            parts[place] = "labels"
            break
    return Path(*parts).with_suffix(".txt")


def read_yolo(path: Path, pictures: Sequence[Path]) -> LabelSet:
    """The labels that a data.yaml has of some pictures; one without a file has no objects."""
    files = [label_path(picture) for picture in pictures]
    found = read_yolo_files([file for file in files if file.is_file()], read_data_yaml(path).names)
    for picture in pictures:
        if picture.stem not in found.pictures:
            found.pictures[picture.stem] = Labels(shares=True)
    return found
