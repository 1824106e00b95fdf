"""COCO's JSON and BDD100K's: the pictures that it lists, and the JSON of the translated ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from unit_edge.errors import DataError
from unit_edge.runtime.check.datasets.dataset import DataSet, Picture, Written, is_there
from unit_edge.runtime.check.labels.bdd import frames_of, read_bdd
from unit_edge.runtime.check.labels.coco import key_of, read_coco
from unit_edge.runtime.check.labels.read import read_json

_IMAGES = PurePosixPath("images")


def read_coco_set(path: Path, images: Path | None) -> DataSet:
    """COCO's or BDD100K's file.

    Its pictures lie in `images`, or in a folder `images` beside it or beside its folder, or beside it.

    Raises:
        DataError: it is no COCO or BDD file, or no picture of it is found.
    """
    content = read_json(path)
    if not isinstance(content, dict | list):
        raise DataError(f"{path}: holds no data set; expected COCO's or BDD100K's JSON")
    frames = content if isinstance(content, list) else frames_of(content)
    if frames is not None:
        labels = read_bdd(path, frames)
    else:
        assert isinstance(content, dict), "a list has frames"
        labels = read_coco(path, content)
    names, faults, kind = list(labels.pictures), list(labels.faults), labels.kind
    folders = [images] if images else [path.parent / "images", path.parent.parent / "images", path.parent]
    folder = next((f for f in folders if any(is_there(f / name) for name in names[:50])), None)
    if folder is None:
        tried = ", ".join(map(str, folders))
        raise DataError(f"{path}: its pictures are in none of {tried}; say where with --images DIR")
    pictures = []
    for name in names:
        relative = PurePosixPath(name)
        if relative.is_absolute() or ".." in relative.parts:
            faults.append(f"{path}: {name}: lies outside of the data set and is left out")
        elif not is_there(folder / name):
            faults.append(f"{folder / name}: listed, but no such picture")
        else:
            pictures.append(Picture(folder / name, _IMAGES / relative))
    index = JsonIndex(path.name, content)
    return DataSet(kind=kind, root=path.parent, pictures=pictures, index=index, faults=faults)


NamesOf = Callable[[str], Sequence[str]]
"""The names of what became of a picture, by the name that a JSON has of it."""


class JsonIndex:
    """The JSON again, with the translated pictures' names; labels of left-out ones are left out."""

    def __init__(self, name: str, content: dict[str, Any] | list[Any]) -> None:
        self._name, self._content = name, content

    def files(self, written: Written) -> dict[PurePosixPath, bytes]:
        def names_of(name: str) -> list[str]:
            return [new.relative_to(_IMAGES).as_posix() for new in written.get(_IMAGES / name, ())]

        return {PurePosixPath("annotations") / self._name: json_again(self._content, names_of)}


def json_again(content: dict[str, Any] | list[Any], names_of: NamesOf) -> bytes:
    """COCO's or BDD100K's JSON, once it was read, with the names of what its pictures became."""
    frames = frames_of(content)
    made: dict[str, Any] | list[Any]
    if frames is not None:
        made = _bdd(frames, names_of)
        made = {**content, "frames": made} if isinstance(content, dict) else made
    else:
        assert isinstance(content, dict), "it was read before"
        made = _coco(content, names_of)
    return json.dumps(made).encode()


def _bdd(frames: list[dict[str, Any]], names_of: NamesOf) -> list[Any]:
    first = {entry["name"]: entry for entry in reversed(frames)}
    return [
        {**entry, "name": name}
        for entry in frames
        if entry is first[entry["name"]]
        for name in names_of(entry["name"])
    ]


def _coco(content: dict[str, Any], names_of: NamesOf) -> dict[str, Any]:
    """Where a picture became one, ids stay; further ones and their annotations get ids after the largest."""
    images, annotations = [], []
    of_image: dict[Any, list[dict[str, Any]]] = {}
    for annotation in content["annotations"]:
        of_image.setdefault(key_of(annotation.get("image_id")), []).append(annotation)
    next_image = 1 + _largest(content["images"])
    next_annotation = 1 + _largest(content["annotations"])
    done: set[Any] = set()
    for image in content["images"]:
        identity = key_of(image.get("id"))
        if identity is None or identity in done or not isinstance(image.get("file_name"), str):
            continue
        done.add(identity)
        for place, name in enumerate(names_of(image["file_name"])):
            key = image["id"]
            if place:
                key, next_image = next_image, next_image + 1
            images.append({**image, "id": key, "file_name": name})
            for annotation in of_image.get(image["id"], ()):
                own = annotation.get("id")
                if place:
                    own, next_annotation = next_annotation, next_annotation + 1
                annotations.append({**annotation, "id": own, "image_id": key})
    return {**content, "images": images, "annotations": annotations}


def _largest(entries: list[dict[str, Any]]) -> int:
    return max((entry["id"] for entry in entries if isinstance(entry.get("id"), int)), default=0)
