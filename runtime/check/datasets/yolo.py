"""YOLO's data sets: a data.yaml, pictures below `images`, labels below `labels`, lists of splits."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from unit_edge.errors import DataError
from unit_edge.runtime.check.datasets.dataset import DataSet, Picture, Written
from unit_edge.runtime.check.labels.text import lines_of
from unit_edge.runtime.check.labels.yaml_file import as_yaml, read_yaml
from unit_edge.runtime.check.labels.yolo import YoloSet, label_path, read_data_yaml


def read_yolo_set(path: Path) -> DataSet:
    """All splits of a data.yaml.

    Raises:
        DataError: it is none, or a picture lies outside of its folder.
    """
    found = read_data_yaml(path)
    root = _plain(found.root)
    pictures: dict[PurePosixPath, Picture] = {}
    faults: list[str] = []
    for split in found.splits:
        for picture in found.pictures(split):
            if not picture.is_file():
                faults.append(f"{picture}: listed in {split}, but no such picture")
                continue
            name = _inside(picture, root, path)
            label = label_path(picture)
            labels = ((label, _inside(label, root, path)),) if label.is_file() else ()
            pictures[name] = Picture(picture, name, labels)
    return DataSet(
        kind="YOLO",
        root=root,
        pictures=list(pictures.values()),
        index=YoloIndex(path, found, root),
        faults=faults,
    )


def _plain(path: Path) -> Path:
    """An absolute path without "..": links stay, since a set's pictures may be links to elsewhere."""
    return Path(os.path.abspath(path))  # noqa: PTH100


def _inside(file: Path, root: Path, path: Path) -> PurePosixPath:
    try:
        return PurePosixPath(_plain(file).relative_to(root).as_posix())
    except ValueError:
        raise DataError(
            f"{file}: lies outside of {root}, which {path} names as its path; such a set can't be "
            "written anew"
        ) from None


class YoloIndex:
    """The data.yaml again, with its own folder as path, and lists with the translated pictures' names."""

    def __init__(self, path: Path, found: YoloSet, root: Path) -> None:
        self._path, self._found, self._root = path, found, root

    def files(self, written: Written) -> dict[PurePosixPath, bytes]:
        content = read_yaml(self._path)
        assert isinstance(content, dict), "it was read before"
        made: dict[PurePosixPath, bytes] = {}
        for entries in self._found.splits.values():
            for entry in entries:
                source = self._root / entry
                if source.is_file():
                    made[PurePosixPath(entry)] = self._list(source, written)
        # ultralytics looks for a data set without a path beside its data.yaml
        own = {key: value for key, value in content.items() if key not in ("path", "download")}
        made[PurePosixPath(self._path.name)] = as_yaml(own)
        return made

    def _list(self, source: Path, written: Written) -> bytes:
        lines = []
        for line in lines_of(source):
            picture = Path(line) if Path(line).is_absolute() else source.parent / line
            old = PurePosixPath(_plain(picture).relative_to(self._root).as_posix())
            depth = len(_plain(source.parent).relative_to(self._root).parts)
            lines += ["./" + "../" * depth + name.as_posix() for name in written.get(old, ())]
        return ("\n".join(lines) + "\n").encode()
