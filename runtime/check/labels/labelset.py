"""What label files of any format become: boxes with names of classes, by picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from unit_edge.errors import DataError

_AT_MOST = 1e9
ANY_CLASS = "DontCare"
"""KITTI's name of a region in which nobody labelled anything: a crowd of every class."""


@dataclass
class Labels:
    """The boxes of one picture.

    Attributes:
        boxes: left, top, right, bottom of each; in pixels, or shares of the picture.
        names: class of each.
        crowd: whether a box stands for several objects that nobody counted: neither missed nor found.
        shares: whether the boxes are shares of the picture's width and height.
    """

    boxes: list[tuple[float, float, float, float]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    crowd: list[bool] = field(default_factory=list)
    shares: bool = False

    def add(self, box: tuple[float, float, float, float], name: str, *, crowd: bool = False) -> None:
        self.boxes.append(box)
        self.names.append(name)
        self.crowd.append(crowd)

    def in_pixels(self, width: int, height: int) -> NDArray[np.float64]:
        """float64[N,4]; may reach out of the picture."""
        boxes = np.asarray(self.boxes, np.float64).reshape(-1, 4)
        return boxes * [width, height, width, height] if self.shares else boxes


@dataclass
class LabelSet:
    """The labels of a whole data set.

    Attributes:
        kind: "COCO", "YOLO", "KITTI" or "BDD".
        pictures: labels by the picture's name, with folders where the format has them.
        faults: what of the files could not be used, one line each.
        notes: what of them had to be assumed.
    """

    kind: str
    pictures: dict[str, Labels] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def of(self, path: Path, frame: int | None = None) -> Labels | None:
        """The labels of a picture: by its name, or else by its name without suffix; None if it has none.

        Where several labelled pictures have that name, in folders, the folders decide; None if they don't.
        """
        index = self._index()
        found = index.get(path.name) or index.get(path.stem) or []
        if len(found) < 2:
            return self.pictures[found[0]] if found else None
        common = {name: _common_folders(PurePosixPath(name), path.absolute()) for name in found}
        best = [name for name in found if common[name] == max(common.values())]
        return self.pictures[best[0]] if len(best) == 1 else None

    def expected(self, frame: int | None) -> bool:
        """Whether a picture should have labels: each should."""
        return True

    def names(self) -> list[str]:
        """The names of all classes, sorted."""
        return sorted({name for labels in self.pictures.values() for name in labels.names})

    def without_picture(self, paths: Sequence[Path]) -> list[str]:
        """Names of labelled pictures that are not among these."""
        found = {id(self.of(path)) for path in paths}
        return [name for name, labels in self.pictures.items() if id(labels) not in found]

    def _index(self) -> dict[str, list[str]]:
        """Names of labelled pictures by their last part, with and without suffix."""
        if not hasattr(self, "_by_name"):
            self._by_name: dict[str, list[str]] = {}
            for name in self.pictures:
                for key in {PurePosixPath(name).name, PurePosixPath(name).stem}:
                    self._by_name.setdefault(key, []).append(name)
        return self._by_name


def _common_folders(name: PurePosixPath, path: Path) -> tuple[int, bool]:
    """How many folders from the last on two names share, and whether that is all that the first has."""
    theirs, ours = name.parts[-2::-1], path.parts[-2::-1]
    count = 0
    while count < min(len(theirs), len(ours)) and theirs[count] == ours[count]:
        count += 1
    return count, count == len(theirs)


def number(value: object, where: str) -> float:
    """A value as a number.

    Raises:
        DataError: it is none, or larger than a picture can be.
    """
    try:
        found = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        found = float("nan")
    if not abs(found) <= _AT_MOST:
        raise DataError(f"{where}: {value!r} is no number of {_AT_MOST:.0e} at most")
    return found
