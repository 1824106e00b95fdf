"""YOLO's data sets: a data.yaml, pictures in .../images/..., labels in .../labels/... with the same names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from unit_edge.errors import DataError
from unit_edge.media.images import is_image
from unit_edge.runtime.check.labels.labelset import Labels, LabelSet
from unit_edge.runtime.check.labels.text import lines_of, read_yolo_files
from unit_edge.runtime.check.labels.yaml_file import read_yaml
from unit_edge.text.numbers import whole_number

SPLITS = ("train", "val", "validation", "test", "minival")
_MOST_CLASSES = 100_000


@dataclass(frozen=True)
class YoloSet:
    """What a data.yaml says of a data set.

    Attributes:
        root: what its paths are relative to, absolute.
        splits: of each split that it has, the folders and lists that its entry names, absolute.
        names: of the classes.
        masks: name of the folder of masks, for semantic segmentation, beside that of pictures.
    """

    root: Path
    splits: dict[str, list[Path]]
    names: list[str]
    masks: str = "masks"

    def pictures(self, split: str) -> list[Path]:
        """The pictures of a split: from folders, and from .txt lists of pictures.

        Raises:
            DataError: an entry is missing.
        """
        found: list[Path] = []
        for path in self.splits[split]:
            if path.is_dir():
                found += sorted(p for p in path.rglob("*") if p.is_file() and is_image(p))
            elif path.is_file():
                found += listed_pictures(path)
            else:
                raise DataError(
                    f"{path}: no such folder or list, but the data.yaml names it as its {split}; where it "
                    "is elsewhere, say so with path: in the data.yaml"
                )
        return found


def listed_pictures(path: Path) -> list[Path]:
    """The pictures of a list, whose entries are absolute or relative to the list, in its order."""
    return [path.parent / line for line in lines_of(path)]


def plain(path: Path) -> Path:
    """An absolute path without "..": links stay, since a set's pictures may be links to elsewhere."""
    return Path(os.path.abspath(path))  # noqa: PTH100


def read_data_yaml(path: Path) -> YoloSet:
    """What ultralytics documents: path, train, val, test, names as a list or as a dict, or nc alone.

    As ultralytics has it, an entry that begins with ../ and isn't there counts without that, as Roboflow
    writes it. A relative `path` is looked for beside the file, then in the current folder.

    Raises:
        DataError: it lacks names, or all splits.
    """
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise DataError(f"{path}: no data.yaml; expected train, val and names in it")
    names = _names(path, content)
    said = Path(str(content.get("path") or "."))
    places = [plain(folder / said) for folder in (path.parent, Path())]
    root = next((place for place in places if place.is_dir()), places[0])
    splits = {
        split: [_entry(root, str(item)) for item in (entry if isinstance(entry, list) else [entry])]
        for split in SPLITS
        if (entry := content.get(split))
    }
    if not splits:
        raise DataError(f"{path}: has none of train, val and test; expected folders of pictures")
    return YoloSet(root=root, splits=splits, names=names, masks=str(content.get("masks_dir") or "masks"))


def _names(path: Path, content: dict[object, object]) -> list[str]:
    names, count = content.get("names"), content.get("nc")
    if names is None and isinstance(count, int) and 0 < count <= _MOST_CLASSES:
        return [f"class_{number}" for number in range(count)]
    if isinstance(names, dict):
        by_number = {whole_number(str(key)): str(name) for key, name in names.items()}
        if set(by_number) != set(range(len(names))):
            keys = ", ".join(map(str, list(names)[:5]))
            raise DataError(
                f"{path}: its names are numbered {keys}...; expected every number from 0 to {len(names) - 1}"
            )
        return [by_number[number] for number in range(len(names))]
    if not isinstance(names, list) or not names:
        raise DataError(f"{path}: names no classes; expected names: as a list, or as number: name")
    return [str(name) for name in names]


def _entry(root: Path, said: str) -> Path:
    path = plain(root / said)
    inside = plain(root / said.removeprefix("../"))
    return inside if not path.exists() and inside.exists() else path


def label_path(picture: Path, folder: str = "labels", suffix: str = ".txt") -> Path:
    """Where ultralytics looks for a picture's labels: the last folder `images` becomes `labels`.

    Masks of semantic segmentation are found in the same way, with another folder and suffix.
    """
    parts = list(picture.parts)
    for place in range(len(parts) - 2, -1, -1):
        if parts[place] == "images":
            parts[place] = folder
            break
    return Path(*parts).with_suffix(suffix)


def read_yolo(path: Path, pictures: Sequence[Path]) -> LabelSet:
    """The labels that a data.yaml has of some pictures; one without a file has no objects."""
    files = [label_path(picture) for picture in pictures]
    found = read_yolo_files([file for file in files if file.is_file()], read_data_yaml(path).names)
    for picture in pictures:
        if picture.stem not in found.pictures:
            found.pictures[picture.stem] = Labels(shares=True)
    return found
