"""COCO's JSON: images, annotations with [left, top, width, height], categories."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unit_edge.errors import DataError
from unit_edge.runtime.check.labels.labelset import Labels, LabelSet, number


def read_coco(path: Path, content: dict[str, Any]) -> LabelSet:
    """The labels of a file that was parsed already.

    An annotation or image that can't be used, or whose id is another's, is told in `faults`.

    Raises:
        DataError: it lacks one of COCO's three lists.
    """
    for key in ("images", "annotations", "categories"):
        if not isinstance(content.get(key), list):
            raise DataError(
                f"{path}: has no list {key!r}; expected COCO's images, annotations and categories"
            )
    found = LabelSet("COCO")
    categories = {category.get("id"): str(category.get("name")) for category in content["categories"]}
    by_id: dict[Any, Labels] = {}
    for image in content["images"]:
        name, key = image.get("file_name"), image.get("id")
        if not isinstance(name, str) or key is None:
            found.faults.append(f"{path}: an image without file_name or id")
        elif key in by_id or name in found.pictures:
            found.faults.append(f"{path}: image {name}: its id {key} or its name is another image's too")
        else:
            by_id[key] = found.pictures[name] = Labels()
    seen: set[Any] = set()
    for annotation in content["annotations"]:
        key = annotation.get("id")
        where = f"{path}: annotation {key}"
        if key in seen:
            found.faults.append(f"{where}: its id is another annotation's too; both are used")
        seen.add(key)
        image, category = annotation.get("image_id"), annotation.get("category_id")
        if image not in by_id:
            found.faults.append(f"{where}: is of image {image}, which isn't listed")
        elif category not in categories:
            found.faults.append(f"{where}: is of category {category}, which isn't listed")
        else:
            try:
                x, y, width, height = (number(value, where) for value in annotation.get("bbox") or ())
            except (DataError, ValueError, TypeError):
                found.faults.append(
                    f"{where}: bbox {annotation.get('bbox')!r}; expected [x, y, width, height]"
                )
                continue
            box = x, y, x + width, y + height
            by_id[image].add(box, categories[category], crowd=bool(annotation.get("iscrowd")))
    return found
