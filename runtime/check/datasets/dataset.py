"""What a labelled data set is, whatever its format, and where its parts go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Protocol


@dataclass(frozen=True)
class Picture:
    """One picture of a data set.

    Attributes:
        path: where it is.
        name: relative to the data set's folder, as it will be in the translated one.
        labels: files of its own, each with its place relative to the data set's folder.
    """

    path: Path
    name: PurePosixPath
    labels: tuple[tuple[Path, PurePosixPath], ...] = ()


Written = Mapping[PurePosixPath, Sequence[PurePosixPath]]
"""A picture's name → the names of what became of it: one for each domain, or none if it was left out."""


class Index(Protocol):
    """What of a data set is about several pictures: a JSON of labels, a data.yaml, lists of splits."""

    def files(self, written: Written) -> dict[PurePosixPath, bytes]:
        """The same for the translated data set: contents by name."""


@dataclass
class DataSet:
    """A data set that was read.

    Attributes:
        kind: "COCO", "YOLO", "KITTI", "Cityscapes" or "BDD".
        root: its folder.
        pictures: in the order in which they are translated.
        index: None where each file is about one picture.
        faults: what is missing of it.
        left: files that belong to no picture and are not taken over.
    """

    kind: str
    root: Path
    pictures: list[Picture]
    index: Index | None = None
    faults: list[str] = field(default_factory=list)
    left: list[PurePosixPath] = field(default_factory=list)


def is_there(path: Path) -> bool:
    """Whether a name, whoever wrote it, is a file's; a name that no file can have is none."""
    try:
        return path.is_file()
    except OSError:  # too long
        return False


def rest_of(name: PurePosixPath, stem: str) -> str:
    """What a file's name has after the picture's stem: _leftImg8bit.png.

    Raises:
        ValueError: the name doesn't begin with that stem.
    """
    if not name.name.startswith(stem):
        raise ValueError(f"{name} doesn't begin with {stem}")
    return name.name[len(stem) :]


def renamed(name: PurePosixPath, old_stem: str, suffix: str) -> PurePosixPath:
    """A file's name with a suffix after the picture's stem: a_leftImg8bit.png and a_gtFine.png keep in step.

    Raises:
        ValueError: the name doesn't begin with that stem.
    """
    return name.with_name(old_stem + suffix + rest_of(name, old_stem))
