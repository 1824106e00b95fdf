"""Text files with a line for each object of each frame of a clip: MOTChallenge's and KITTI tracking's."""

from __future__ import annotations

import configparser
from collections.abc import Sequence
from pathlib import Path

from unit_edge.errors import DataError
from unit_edge.runtime.check.labels.clips import ClipLabels
from unit_edge.runtime.check.labels.labelset import ANY_CLASS, Labels, number
from unit_edge.runtime.check.labels.text import lines_of
from unit_edge.text.numbers import whole_number

MOT_CLASSES = (
    *("pedestrian", "person on vehicle", "car", "bicycle", "motorbike", "non motorized vehicle"),
    *("static person", "distractor", "occluder", "occluder on ground", "occluder full", "reflection"),
    "crowd",
)
"""Of MOT16, 17 and 20, from number 1 on."""

_LIKE_PEDESTRIANS = ("pedestrian", "person on vehicle", "static person", "distractor", "reflection")
"""What MOTChallenge's evaluation (TrackEval) takes neither for missed nor for wrong where it is ignored."""

_MOT_COLUMNS = range(6, 11)
_KITTI_COLUMNS = (17, 18)  # the last is a result's score


def read_tracks(files: Sequence[Path]) -> ClipLabels:
    """Labels of clips, a file each: MOTChallenge's gt.txt, or KITTI tracking's 0000.txt.

    Of MOT's, a line whose 7th column is 0 is ignored. Names of classes are in a labels.txt beside it, as CVAT
    writes it, or else MOT17's; the number of frames is in seqinfo.ini, or else that of the last line.

    Raises:
        DataError: one can't be read, or is of neither format.
    """
    found: ClipLabels | None = None
    for path in files:
        lines = lines_of(path)
        is_mot = "," in next(iter(lines), ",")
        kind, first = ("MOT", 1) if is_mot else ("KITTI tracking", 0)
        if not is_mot and len(lines[0].split()) not in _KITTI_COLUMNS:
            raise DataError(
                f"{path}: {lines[0][:60]!r} is no line of a clip's labels; expected MOTChallenge's "
                "frame,id,left,top,width,height,... or KITTI tracking's 17 columns"
            )
        if found is None:
            found = ClipLabels(kind, first=first)
        elif found.kind != kind:
            raise DataError(f"{path}: holds {kind} labels, and {files[0]} {found.kind}; give one format")
        frames = found.clips.setdefault(_name(path), {})
        names = _mot_names(path) if is_mot else ()
        for count, line in enumerate(lines, start=1):
            try:
                if is_mot:
                    _add_mot(frames, [cell.strip() for cell in line.split(",")], names)
                else:
                    _add_kitti(frames, line.split())
            except DataError as error:
                found.faults.append(f"{path}, line {count}: {error}")
        stated = _stated_length(path) if is_mot else None
        found.lengths[_name(path)] = stated or 1 + max(frames, default=-1)
    assert found is not None, "there are files"
    return found


def _name(path: Path) -> str:
    """MOT17-02 of MOT17-02/gt/gt.txt, 0000 of label_02/0000.txt."""
    if path.name == "gt.txt":
        folder = path.absolute().parent
        return folder.parent.name if folder.name == "gt" else folder.name
    return path.stem


def _mot_names(path: Path) -> Sequence[str]:
    listed = path.with_name("labels.txt")
    return lines_of(listed) if path.name == "gt.txt" and listed.is_file() else MOT_CLASSES


def _stated_length(path: Path) -> int | None:
    """seqLength of a sequence's seqinfo.ini."""
    place = path.absolute().parent.parent / "seqinfo.ini"
    if path.name != "gt.txt" or not place.is_file():
        return None
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string("\n".join(lines_of(place)))
        return whole_number(parser.get("Sequence", "seqLength", fallback=""))
    except configparser.Error:
        return None


def _add_mot(frames: dict[int, Labels], cells: list[str], names: Sequence[str]) -> None:
    if len(cells) not in _MOT_COLUMNS:
        raise DataError(f"{len(cells)} columns; expected MOTChallenge's frame,id,left,top,width,height,...")
    index = whole_number(cells[0])
    if not index:
        raise DataError(f"frame {cells[0]!r}; expected a number from 1 on")
    x, y, width, height = (number(cell, "its box") for cell in cells[2:6])
    ignored = len(cells) > 6 and number(cells[6], "column 7") == 0
    place = 1
    # MOT15 has -1 there, of coordinates that nobody knows
    if len(cells) > 7 and len(cells) < 10 and (said := number(cells[7], "its class")) >= 0:
        place = int(said)
    if not 1 <= place <= len(names):
        raise DataError(f"class {cells[7]}, but classes 1 to {len(names)} have names")
    name = names[place - 1]
    if ignored and names is MOT_CLASSES:
        if name not in _LIKE_PEDESTRIANS:
            return
        name = MOT_CLASSES[0]
    frames.setdefault(index - 1, Labels()).add((x, y, x + width, y + height), name, crowd=ignored)


def _add_kitti(frames: dict[int, Labels], cells: list[str]) -> None:
    if len(cells) not in _KITTI_COLUMNS:
        raise DataError(f"{len(cells)} columns; expected KITTI tracking's 17")
    index = whole_number(cells[0])
    if index is None:
        raise DataError(f"frame {cells[0]!r}; expected a number from 0 on")
    x1, y1, x2, y2 = (number(cell, "its box") for cell in cells[6:10])
    frames.setdefault(index, Labels()).add((x1, y1, x2, y2), cells[2], crowd=cells[2] == ANY_CLASS)
