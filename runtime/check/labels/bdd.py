"""BDD100K's JSON (Scalabel's): pictures or frames, each with labels that have a category and a box2d."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unit_edge.errors import DataError
from unit_edge.runtime.check.labels.clips import ClipLabels, clip_name
from unit_edge.runtime.check.labels.labelset import Labels, LabelSet, number


def read_bdd(path: Path, content: list[Any]) -> LabelSet:
    """The labels of a file that was parsed already; lanes and areas, which have no box, are left aside.

    Raises:
        DataError: it is no list of pictures with names.
    """
    found = LabelSet("BDD")
    for entry in content:
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str):
            raise DataError(f"{path}: an entry without a name; expected BDD100K's list of pictures")
        if name in found.pictures:
            found.faults.append(f"{path}: {name} is listed twice; the first is used")
            continue
        found.pictures[name] = _labels(entry, f"{path}: {name}", found.faults)
    return found


def frames_of(content: object) -> list[dict[str, Any]] | None:
    """The entries of BDD100K's list, or of Scalabel's object with one; None if it is neither."""
    listed = content.get("frames") if isinstance(content, dict) else content
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        return None
    return listed


def read_bdd_tracking(path: Path, content: list[Any], first: int = 0) -> ClipLabels:
    """The labels of clips: frames with `videoName` and `frameIndex`, the first of which is `first`.

    Raises:
        DataError: it is no list of frames of videos.
    """
    found = ClipLabels("BDD tracking")
    for entry in content:
        video, index = None, None
        if isinstance(entry, dict):
            video = entry.get("videoName", entry.get("video_name"))
            index = entry.get("frameIndex", entry.get("frame_index"))
        if not isinstance(video, str) or not isinstance(index, int) or index < first:
            raise DataError(
                f"{path}: an entry without videoName and frameIndex; expected BDD100K's tracking labels, a "
                f"list of a video's frames, the first of which is {first}"
            )
        frames = found.clips.setdefault(clip_name(video), {})
        if index - first in frames:
            found.faults.append(f"{path}: frame {index} of {video} is listed twice; the first is used")
            continue
        frames[index - first] = _labels(entry, f"{path}: frame {index} of {video}", found.faults)
    return found


def _labels(entry: dict[str, Any], where: str, faults: list[str]) -> Labels:
    labels = Labels()
    listed = entry.get("labels") or ()
    for label in listed if isinstance(listed, list) else ():
        box = label.get("box2d") if isinstance(label, dict) else None
        if box is None:
            continue
        corners = [box.get(key) if isinstance(box, dict) else None for key in ("x1", "y1", "x2", "y2")]
        try:
            x1, y1, x2, y2 = (number(value, where) for value in corners)
        except DataError as error:
            faults.append(str(error))
            continue
        attributes = label.get("attributes")
        crowd = isinstance(attributes, dict) and bool(attributes.get("crowd"))
        labels.add((x1, y1, x2, y2), str(label.get("category")), crowd=crowd)
    return labels
