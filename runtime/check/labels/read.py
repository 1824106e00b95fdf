"""Labels from whatever --ground-truth names."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from unit_edge.errors import DataError
from unit_edge.files.reading import read_bounded
from unit_edge.runtime.check.labels.bdd import read_bdd, read_bdd_tracking
from unit_edge.runtime.check.labels.clips import ClipLabels
from unit_edge.runtime.check.labels.coco import read_coco, read_coco_videos
from unit_edge.runtime.check.labels.labelset import LabelSet
from unit_edge.runtime.check.labels.text import BYTES_AT_MOST, read_folder
from unit_edge.runtime.check.labels.tracks import read_tracks
from unit_edge.runtime.check.labels.yolo import read_yolo

_EXPECTED = "a COCO or BDD100K .json, a YOLO data.yaml, or a folder of YOLO's or KITTI's .txt files"
_EXPECTED_OF_CLIPS = (
    "labels of clips: MOTChallenge's gt.txt, KITTI tracking's .txt, a COCO .json with videos, a BDD100K "
    "tracking .json, or a folder of them"
)
_SEQUENCE_FILES = ("gt.txt", "gt/gt.txt")


def read_labels(path: Path, pictures: Sequence[Path], names: Sequence[str]) -> LabelSet | ClipLabels:
    """Reads the labels of pictures; those of a clip fit pictures whose names end with a frame's number.

    Args:
        path: a file or folder.
        pictures: that are looked at.
        names: of the detector's classes, for YOLO's numbers where nothing else names them.

    Raises:
        DataError: it is missing, or of no known format.
    """
    sequence = _sequence(path)
    if sequence is not None:
        found = read_tracks([sequence])
        found.alone = True
        return found
    if path.is_dir():
        return read_folder(path, names)
    if not path.is_file():
        raise DataError(f"{path}: no such file or folder; expected {_EXPECTED}")
    if path.suffix.lower() in (".yaml", ".yml"):
        return read_yolo(path, pictures)
    content = read_json(path)
    if isinstance(content, dict) and not isinstance(content.get("frames"), list):
        return read_coco(path, content)
    listed = content.get("frames") if isinstance(content, dict) else content
    if isinstance(listed, list):
        return read_bdd(path, listed)
    raise DataError(f"{path}: holds no labels; expected {_EXPECTED}")


def read_clip_labels(
    path: Path, clips: Sequence[Path], step: int = 1, first: int | None = None
) -> ClipLabels:
    """Reads the labels of clips, frame by frame.

    Args:
        path: a file, or a folder with one a clip.
        clips: that are looked at.
        step: the labelled frames are every so many-th of the clips.
        first: number of a clip's first frame in a .json, 0 or 1; None where it is to be seen by the others.

    Raises:
        DataError: it is missing, or of no known format.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file or folder; expected {_EXPECTED_OF_CLIPS}")
    sequence = _sequence(path)
    if sequence is not None:
        found = read_tracks([sequence])
    elif path.is_dir():
        found = _read_clip_folder(path, first)
    else:
        found = _read_clip_json(path, first)
    found.step, found.alone = step, len(clips) == len(found.clips) == 1
    return found


def _sequence(path: Path) -> Path | None:
    """The file of the one clip that a path names with MOT's or KITTI's labels, if it does."""
    if path.is_dir():
        return next((path / name for name in _SEQUENCE_FILES if (path / name).is_file()), None)
    return path if path.suffix.lower() == ".txt" and path.is_file() else None


def _read_clip_folder(folder: Path, first: int | None) -> ClipLabels:
    texts = sorted(folder.glob("*/gt/gt.txt")) or sorted(folder.glob("*.txt"))
    if texts:
        return read_tracks(texts)
    parts = [_read_clip_json(path, first) for path in sorted(folder.glob("*.json"))]
    if not parts:
        raise DataError(f"{folder}: no labels in this folder; expected {_EXPECTED_OF_CLIPS}")
    whole = parts[0]
    for part in parts[1:]:
        whole.faults += part.faults
        whole.notes += part.notes
        both = [name for name in part.clips if name in whole.clips]
        whole.faults += [f"{folder}: {name} is labelled in two files; the first is used" for name in both]
        whole.clips = part.clips | whole.clips
    return whole


def _read_clip_json(path: Path, first: int | None) -> ClipLabels:
    content = read_json(path, _EXPECTED_OF_CLIPS)
    if isinstance(content, dict) and "videos" in content:
        return read_coco_videos(path, content, first)
    listed = content.get("frames") if isinstance(content, dict) else content
    if isinstance(listed, list):
        return read_bdd_tracking(path, listed, first or 0)
    raise DataError(f"{path}: holds no labels; expected {_EXPECTED_OF_CLIPS}")


def read_json(path: Path, expected: str = _EXPECTED) -> object:
    """What a JSON file holds.

    Raises:
        DataError: it can't be read, or is no JSON.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; expected {expected}")
    try:
        content: object = json.loads(read_bounded(path, BYTES_AT_MOST).decode("utf-8-sig"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: can't be read as JSON ({error}); expected {expected}") from None
    except RecursionError:
        raise DataError(f"{path}: is nested too deeply; expected {expected}") from None
    return content
