"""Folders of text files, one a picture: YOLO's and KITTI's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from unit_edge.errors import DataError
from unit_edge.files.reading import read_bounded
from unit_edge.runtime.check.labels.labelset import ANY_CLASS, Labels, LabelSet, number
from unit_edge.text.numbers import whole_number

BYTES_AT_MOST = 2**30
"""Of a file of labels; COCO's largest has half of it."""
_KITTI_COLUMNS = (15, 16)  # the last is a result's score
_TRACKING_COLUMNS = (17, 18)
_YOLO_COLUMNS = 5
NAMES_FILE = "classes.txt"


def read_folder(folder: Path, names: Sequence[str]) -> LabelSet:
    """A folder of .txt files; what format they have is told by the first line that there is.

    Args:
        folder: that has them; a classes.txt among them names YOLO's classes.
        names: of YOLO's classes, where nothing else names them.

    Raises:
        DataError: there are none, or they are of neither format.
    """
    files = sorted(path for path in folder.glob("*.txt") if path.name != NAMES_FILE)
    if not files:
        raise DataError(
            f"{folder}: no .txt files in this folder; expected labels of YOLO or KITTI, one a picture"
        )
    columns = next((len(line.split()) for path in files for line in lines_of(path)), _YOLO_COLUMNS)
    if columns in _KITTI_COLUMNS:
        return _read(files, "KITTI", [])
    if columns in _TRACKING_COLUMNS:
        raise DataError(f"{folder}: has KITTI tracking's labels; give the file of the one clip, as 0000.txt")
    listed = folder / NAMES_FILE
    return _read(files, "YOLO", lines_of(listed) if listed.is_file() else names)


def read_yolo_files(files: Sequence[Path], names: Sequence[str]) -> LabelSet:
    """YOLO's label files, wherever they lie."""
    return _read(files, "YOLO", names)


def _read(files: Sequence[Path], kind: str, names: Sequence[str]) -> LabelSet:
    found = LabelSet(kind)
    for path in files:
        labels = found.pictures[path.stem] = Labels(shares=kind == "YOLO")
        for count, line in enumerate(lines_of(path), start=1):
            try:
                _add(labels, line.split(), names, f"{path}, line {count}", kind)
            except DataError as error:
                found.faults.append(str(error))
    return found


def _add(labels: Labels, cells: list[str], names: Sequence[str], where: str, kind: str) -> None:
    if kind == "KITTI":
        if len(cells) not in _KITTI_COLUMNS:
            raise DataError(f"{where}: {len(cells)} columns; expected KITTI's 15")
        x1, y1, x2, y2 = (number(cell, where) for cell in cells[4:8])
        labels.add((x1, y1, x2, y2), cells[0], crowd=cells[0] == ANY_CLASS)
        return
    place = whole_number(cells[0])
    if len(cells) < _YOLO_COLUMNS or place is None:
        raise DataError(f"{where}: {' '.join(cells[:6])!r}; expected YOLO's class x y width height")
    if place >= len(names):
        raise DataError(f"{where}: class {cells[0]}, but only {len(names)} classes have names")
    values = [number(cell, where) for cell in cells[1:]]
    if len(values) == _YOLO_COLUMNS - 1:
        x, y, width, height = values
        box = x - width / 2, y - height / 2, x + width / 2, y + height / 2
    else:  # a polygon
        box = min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2])
    labels.add(box, names[place])


def lines_of(path: Path) -> list[str]:
    """The lines of a text file that are not empty.

    Raises:
        DataError: it can't be read as text.
    """
    try:
        text = read_bounded(path, BYTES_AT_MOST).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: can't be read as text ({error})") from None
    return [line for line in map(str.strip, text.splitlines()) if line]
