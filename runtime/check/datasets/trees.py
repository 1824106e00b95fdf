"""Data sets that are trees of folders: KITTI, Cityscapes, BDD100K with a file a picture."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath

from unit_edge.errors import DataError
from unit_edge.media.images import is_image
from unit_edge.runtime.check.datasets.dataset import DataSet, Picture
from unit_edge.runtime.check.datasets.tree_index import TreeIndex

_CITYSCAPES = ("leftImg8bit", "rightImg8bit")
_KITTI = ("image_2", "image_3", "image_02", "image_03")

PathParts = tuple[str, ...]


def read_tree(root: Path) -> DataSet:
    """A data set by its folders' names: every picture, with the files that belong to it.

    Labels whose picture is missing are faults; lists of labels and of splits become its index.

    Raises:
        DataError: the folders are of no known data set.
    """
    files = sorted(path for path in root.rglob("*") if path.is_file())
    names = {path: PurePosixPath(path.relative_to(root).as_posix()) for path in files}
    for kind, is_picture, is_label, key_of in _KINDS:
        pictures = [path for path in files if is_image(path) and is_picture(names[path].parts)]
        if not pictures:
            continue
        others: dict[PathParts, list[Path]] = {}
        chosen = set(pictures)
        for path in files:
            if path not in chosen and (key := key_of(names[path].parts)) is not None:
                others.setdefault(key, []).append(path)
        found = []
        for path in pictures:
            key = key_of(names[path].parts)
            labels = others.get(key, []) if key is not None else []
            found.append(Picture(path, names[path], tuple((label, names[label]) for label in labels)))
        index = TreeIndex(found, partial(stem_of, kind))
        dataset = DataSet(kind=kind, root=root, pictures=found, index=index)
        taken = chosen | {label for picture in found for label, _ in picture.labels}
        for path in files:
            if path in taken or index.takes(path, names[path], dataset.faults):
                continue
            if is_label(names[path].parts):
                dataset.faults.append(f"{path}: holds labels of no picture that is there")
            else:
                dataset.left.append(names[path])
        return dataset
    raise DataError(
        f"{root}: no data set is recognised in this folder; expected Cityscapes (leftImg8bit/), "
        "KITTI (image_2/), BDD100K (images/ and labels/); or give a COCO .json or a YOLO data.yaml"
    )


def stem_of(kind: str, name: PurePosixPath) -> str:
    """What a picture's name and those of its labels begin with."""
    key = _cityscapes_key(name.parts) if kind == "Cityscapes" else None
    return key[-1] if key else name.stem


def _cityscapes_key(parts: PathParts) -> PathParts | None:
    """split, city, and city_sequence_frame, of leftImg8bit/train/ulm/ulm_000000_000019_leftImg8bit.png."""
    pieces = parts[-1].partition(".")[0].split("_")
    return (*parts[-3:-1], "_".join(pieces[:3])) if len(parts) >= 4 and len(pieces) >= 4 else None


def _kitti_key(parts: PathParts) -> PathParts | None:
    """training, and 000012, of training/image_2/000012.png and training/label_2/000012.txt."""
    return (*parts[:-2], PurePosixPath(parts[-1]).stem) if len(parts) >= 2 else None


def _bdd_key(parts: PathParts) -> PathParts | None:
    """The name alone, which is unique in all of BDD100K."""
    return (PurePosixPath(parts[-1]).stem,)


_Test = Callable[[PathParts], bool]

_KINDS: tuple[tuple[str, _Test, _Test, Callable[[PathParts], PathParts | None]], ...] = (
    (
        "Cityscapes",
        lambda parts: parts[0] in _CITYSCAPES,
        lambda parts: parts[0].startswith("gt"),
        _cityscapes_key,
    ),
    (
        "KITTI",
        lambda parts: len(parts) > 1 and parts[-2] in _KITTI,
        lambda parts: len(parts) > 1 and parts[-2].startswith("label"),
        _kitti_key,
    ),
    ("BDD", lambda parts: parts[0] == "images", lambda parts: parts[0] == "labels", _bdd_key),
)
