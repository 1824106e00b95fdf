"""COCO's JSON: images, annotations with [left, top, width, height], categories; and CocoVID's, of videos."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unit_edge.errors import DataError
from unit_edge.runtime.check.labels.clips import ClipLabels, clip_name
from unit_edge.runtime.check.labels.labelset import Labels, LabelSet, number

_FRAME_KEYS = ("frame_id", "frame_index")  # CocoVID's, TAO's


def read_coco(path: Path, content: dict[str, Any]) -> LabelSet:
    """The labels of a file that was parsed already.

    An annotation or image that can't be used, or whose id is another's, is told in `faults`.

    Raises:
        DataError: it lacks one of COCO's three lists, or one holds something else.
    """
    images, annotations, categories = (
        _entries(path, content, key) for key in ("images", "annotations", "categories")
    )
    found = LabelSet("COCO")
    by_id: dict[Any, Labels] = {}
    for image in images:
        name, key = image.get("file_name"), key_of(image.get("id"))
        if not isinstance(name, str) or key is None:
            found.faults.append(f"{path}: an image without file_name or id")
        elif key in by_id or name in found.pictures:
            found.faults.append(f"{path}: image {name}: its id {key} or its name is another image's too")
        else:
            by_id[key] = found.pictures[name] = Labels()
    _add_boxes(path, annotations, categories, by_id, found.faults)
    return found


def read_coco_videos(path: Path, content: dict[str, Any], first: int | None = None) -> ClipLabels:
    """The labels of clips: `videos` with names, and images with `video_id` and `frame_id`.

    CocoVID counts frames from 0, but what is converted from MOTChallenge's often from 1.

    Args:
        path: of the file, for messages.
        content: the file, parsed.
        first: number of a clip's first frame; if None, 1 where some frame is 1 and none is 0, else 0.

    Raises:
        DataError: it lacks one of CocoVID's four lists, or one holds something else.
    """
    videos, images, annotations, categories = (
        _entries(path, content, key) for key in ("videos", "images", "annotations", "categories")
    )
    found = ClipLabels("COCO video")
    names = {key_of(video.get("id")): clip_name(str(_name_of(video))) for video in videos if _name_of(video)}
    by_id: dict[Any, Labels] = {}
    numbers = {_frame_of(image) for image in images}
    if first is None and 1 in numbers and 0 not in numbers:
        first = 1
        found.notes.append(
            f"{path}: no frame_id is 0 and some are 1, so they are taken to count from 1; --label-from 0 "
            "says otherwise"
        )
    first = first or 0
    for image in images:
        key, video = key_of(image.get("id")), key_of(image.get("video_id"))
        index = _frame_of(image)
        index = None if index is None else index - first
        if key is None or index is None or index < 0:
            found.faults.append(
                f"{path}: an image without id or frame_id; expected a frame's number, from {first}"
            )
        elif video not in names:
            found.faults.append(f"{path}: image {key}: is of video {video}, which isn't listed with a name")
        elif key in by_id or index in found.clips.get(names[video], ()):
            found.faults.append(
                f"{path}: image {key}: its id, or its frame {index + first} of {names[video]}, is another "
                "image's too"
            )
        else:
            by_id[key] = found.clips.setdefault(names[video], {})[index] = Labels()
    _add_boxes(path, annotations, categories, by_id, found.faults)
    return found


def _frame_of(image: dict[str, Any]) -> int | None:
    return next((image[name] for name in _FRAME_KEYS if isinstance(image.get(name), int)), None)


def _name_of(video: dict[str, Any]) -> object:
    return video.get("name") or video.get("file_name")


def _entries(path: Path, content: dict[str, Any], key: str) -> list[dict[str, Any]]:
    entries = content.get(key)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise DataError(
            f"{path}: has no list {key!r} of objects; expected COCO's images, annotations and categories"
        )
    return entries


def key_of(value: object) -> int | str | None:
    """A value as a key; None if it can be none."""
    return value if isinstance(value, int | str) else None


def _add_boxes(
    path: Path,
    annotations: list[dict[str, Any]],
    categories: list[dict[str, Any]],
    by_id: Mapping[Any, Labels],
    faults: list[str],
) -> None:
    """Gives every annotation to its image.

    Args:
        path: of the file, for faults.
        annotations: COCO's.
        categories: COCO's.
        by_id: labels of each image.
        faults: gets a line for each annotation that can't be used.
    """
    named = {key_of(category.get("id")): str(category.get("name")) for category in categories}
    seen: set[Any] = set()
    for annotation in annotations:
        key = key_of(annotation.get("id"))
        where = f"{path}: annotation {key}"
        if key in seen:
            faults.append(f"{where}: its id is another annotation's too; both are used")
        seen.add(key)
        image, category = key_of(annotation.get("image_id")), key_of(annotation.get("category_id"))
        if image not in by_id:
            faults.append(f"{where}: is of image {image}, which isn't listed")
        elif category not in named:
            faults.append(f"{where}: is of category {category}, which isn't listed")
        else:
            try:
                x, y, width, height = (number(value, where) for value in annotation.get("bbox") or ())
            except (DataError, ValueError, TypeError):
                faults.append(f"{where}: bbox {annotation.get('bbox')!r}; expected [x, y, width, height]")
                continue
            box = x, y, x + width, y + height
            by_id[image].add(box, named[category], crowd=bool(annotation.get("iscrowd")))
