"""The names of a detector's classes: from a file, from the model's own metadata, or COCO's."""

from __future__ import annotations

import ast
from pathlib import Path

from unit_edge.errors import ConfigError
from unit_edge.files.reading import parse_json, read_bounded

COCO = (
    *("person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light"),
    *("fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow"),
    *(
        "elephant",
        "bear",
        "zebra",
        "giraffe",
        "backpack",
        "umbrella",
        "handbag",
        "tie",
        "suitcase",
        "frisbee",
    ),
    *(
        "skis",
        "snowboard",
        "sports ball",
        "kite",
        "baseball bat",
        "baseball glove",
        "skateboard",
        "surfboard",
    ),
    *("tennis racket", "bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple"),
    *("sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch"),
    *("potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard"),
    *("cell phone", "microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase"),
    *("scissors", "teddy bear", "hair drier", "toothbrush"),
)
"""The 80 classes of COCO's detection task, without the gaps that its category ids have."""

_BYTES_AT_MOST = 2**20

_GAPS = (0, 12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
"""COCO's category ids that name nothing; 0 is the background."""


def coco_ids() -> list[str]:
    """COCO's names by category id, 0 to 90, as torchvision, TensorFlow and DETR number them."""
    names = iter(COCO)
    return ["" if number in _GAPS else next(names) for number in range(91)]


def read_names(path: Path) -> list[str]:
    """Names from a text file, one a line; from JSON, a list or {"0": name}; or from a YOLO data.yaml.

    Raises:
        ConfigError: it is missing, empty, or none of these.
    """
    try:
        text = read_bounded(path, _BYTES_AT_MOST).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        raise ConfigError(f"--classes {path}: can't be read as text ({error})") from None
    if path.suffix.lower() in (".yaml", ".yml"):
        from unit_edge.runtime.check.labels.yaml_file import read_yaml

        value = read_yaml(path)
        found = _as_list(value.get("names") if isinstance(value, dict) else None)
    elif path.suffix.lower() == ".json":
        try:
            found = _as_list(parse_json(text))
        except ValueError:
            found = None
    else:
        lines = [line.strip() for line in text.splitlines()]
        found = lines[: len(lines) - next((k for k, line in enumerate(reversed(lines)) if line), len(lines))]
    if not found:
        raise ConfigError(
            f"--classes {path}: no names in it; expected one a line, a JSON list, or a data.yaml with names"
        )
    return found


def names_in(metadata: dict[str, str]) -> list[str] | None:
    """Names that ultralytics' exports carry: metadata "names", {0: 'person', ...} in Python's notation."""
    said = metadata.get("names", "")
    if len(said) > _BYTES_AT_MOST:
        return None
    try:
        return _as_list(ast.literal_eval(said))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):  # as its documentation has it
        return None


def _as_list(value: object) -> list[str] | None:
    """A list of names, or a dict of number → name whose gaps become ""."""
    if isinstance(value, dict):
        try:
            by_number = {int(key): str(name) for key, name in value.items()}
        except (TypeError, ValueError, OverflowError):
            return None
        if not by_number or min(by_number) < 0 or max(by_number) > 100_000:
            return None
        return [by_number.get(number, "") for number in range(max(by_number) + 1)]
    return [str(name) for name in value] if isinstance(value, list) and value else None
