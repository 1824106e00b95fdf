"""YOLO's data sets: a data.yaml, pictures below `images`, labels below `labels`, lists of splits."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from unit_edge.errors import DataError
from unit_edge.runtime.check.datasets.dataset import DataSet, Picture, Written, is_there
from unit_edge.runtime.check.labels.text import NAMES_FILE
from unit_edge.runtime.check.labels.yaml_file import as_yaml, read_yaml
from unit_edge.runtime.check.labels.yolo import (
    YoloSet,
    label_path,
    listed_pictures,
    plain,
    read_data_yaml,
)


def read_yolo_set(path: Path) -> DataSet:
    """All splits of a data.yaml.

    Raises:
        DataError: it is none, or its pictures have no folder in common.
    """
    found = read_data_yaml(path)
    listed = {plain(picture): split for split in found.splits for picture in found.pictures(split)}
    root = _root(path, found, list(listed))
    pictures: list[Picture] = []
    faults: list[str] = []
    for picture, split in listed.items():
        if not is_there(picture):
            faults.append(f"{picture}: listed in {split}, but no such picture")
            continue
        labels, mask = [label_path(picture)], label_path(picture, found.masks, ".png")
        if mask.parent != picture.parent:
            labels.append(mask)
        own = tuple((label, _name(label, root)) for label in labels if label.is_file())
        pictures.append(Picture(picture, _name(picture, root), own))
    faults += _labels_alone(found, {label_path(picture) for picture in listed})
    index = YoloIndex(path, found, root)
    return DataSet(kind="YOLO", root=root, pictures=pictures, index=index, faults=faults)


def _labels_alone(found: YoloSet, of_pictures: set[Path]) -> list[str]:
    """The files of labels, beside the folders of pictures, that are of no picture; a line each."""
    folders = [entry for entries in found.splits.values() for entry in entries if entry.is_dir()]
    beside = {folder: label_path(folder / "x").parent for folder in folders}
    files = {file for folder, labels in beside.items() if labels != folder for file in labels.rglob("*.txt")}
    return [
        f"{file}: holds labels of no picture that is there"
        for file in sorted(files - of_pictures)
        if file.name != NAMES_FILE
    ]


def _root(path: Path, found: YoloSet, pictures: list[Path]) -> Path:
    """What the data.yaml says, or else, where pictures lie elsewhere, the folder that all of them are in."""
    files = [*pictures, *map(label_path, pictures)]
    files += [
        entry / "x" if entry.is_dir() else entry for entries in found.splits.values() for entry in entries
    ]
    if all(file.is_relative_to(found.root) for file in files):
        return found.root
    folders = {file.parent for file in files}
    common = Path(os.path.commonpath(folders))
    if common == common.parent:
        raise DataError(
            f"{path}: its pictures, labels and lists, in {', '.join(map(str, sorted(folders)[:3]))} and so "
            "on, have no folder in common; such a set can't be written anew"
        )
    return common


def _name(file: Path, root: Path) -> PurePosixPath:
    return PurePosixPath(file.relative_to(root).as_posix())


class YoloIndex:
    """The data.yaml again, with its own folder as path, and lists with the translated pictures' names."""

    def __init__(self, path: Path, found: YoloSet, root: Path) -> None:
        self._path, self._found, self._root = path, found, root

    def files(self, written: Written) -> dict[PurePosixPath, bytes]:
        content = read_yaml(self._path)
        assert isinstance(content, dict), "it was read before"
        # ultralytics looks for a data set without a path beside its data.yaml
        own = {key: value for key, value in content.items() if key not in ("path", "download")}
        made: dict[PurePosixPath, bytes] = {}
        for split, entries in self._found.splits.items():
            names = [_name(entry, self._root) for entry in entries]
            own[split] = [str(name) for name in names] if isinstance(content[split], list) else str(names[0])
            made |= {
                name: self._list(entry, written)
                for entry, name in zip(entries, names, strict=True)
                if entry.is_file()
            }
        made[PurePosixPath(self._path.name)] = as_yaml(own)
        return made

    def _list(self, source: Path, written: Written) -> bytes:
        depth = len(_name(source, self._root).parts) - 1
        lines = [
            "./" + "../" * depth + name.as_posix()
            for picture in listed_pictures(source)
            for name in written.get(_name(plain(picture), self._root), ())
        ]
        return ("\n".join(lines) + "\n").encode()
