"""BDD100K's JSON: a list of pictures, each with labels that have a category and a box2d."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unit_edge.errors import DataError
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
        labels = found.pictures[name] = Labels()
        for label in entry.get("labels") or ():
            box = label.get("box2d")
            if box is None:
                continue
            try:
                corners = [number(box.get(key), f"{path}: {name}") for key in ("x1", "y1", "x2", "y2")]
            except DataError as error:
                found.faults.append(str(error))
                continue
            crowd = bool((label.get("attributes") or {}).get("crowd"))
            labels.add(
                (corners[0], corners[1], corners[2], corners[3]), str(label.get("category")), crowd=crowd
            )
    return found
