"""Names that a store gives: which of them may become files, and what their translations are called."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from unit_edge.errors import ConfigError, SourceError
from unit_edge.media.containers import VIDEO_SUFFIXES
from unit_edge.media.images import IMAGE_SUFFIXES
from unit_edge.runtime.fleet.items import Item
from unit_edge.runtime.sinks.codecs import VIDEO_OUTPUTS
from unit_edge.text.printable import one_line, printable

_PART_BYTES = 255  # of most file systems
_NAME_BYTES = 1000  # of S3: 1024


def check_name(name: str) -> None:
    """Refuses what could leave the destination, be hidden in it, or steer a terminal.

    Raises:
        SourceError: it says what of it.
    """
    parts = name.split("/")
    if name.startswith("/") or "\\" in name:
        wrong = "an absolute path or a backslash"
    elif any(part in ("", ".", "..") for part in parts):
        wrong = "an empty part, . or .."
    elif any(part.startswith(".") for part in parts):
        wrong = "a part that begins with a dot"
    elif printable(name) != name or any(sign in name for sign in "\n\t"):
        wrong = "a control character"
    elif len(name.encode()) > _NAME_BYTES or any(len(part.encode()) > _PART_BYTES for part in parts):
        wrong = f"more than {_PART_BYTES} bytes in a part, or {_NAME_BYTES} in all"
    else:
        return
    raise SourceError(f"{one_line(name, 80)}: has {wrong} in its name; rename it")


def output_name(name: str) -> str:
    """What the translation is called: the same, as .mp4 where that file type isn't written."""
    path = PurePosixPath(name)
    if path.suffix.lower() in (*VIDEO_OUTPUTS, *IMAGE_SUFFIXES):
        return name
    return str(path.with_suffix(".mp4"))


def is_wanted(name: str) -> bool:
    """Whether a name is that of a video or picture, and not hidden."""
    hidden = any(part.startswith(".") for part in name.split("/") if part not in (".", ".."))
    return not hidden and PurePosixPath(name).suffix.lower() in (*VIDEO_SUFFIXES, *IMAGE_SUFFIXES)


def is_picture(name: str) -> bool:
    """Whether a name is that of a picture."""
    return PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES


def check_alone(items: Sequence[Item]) -> None:
    """Raises ConfigError if two items would have one output."""
    first: dict[str, Item] = {}
    for item in items:
        other = first.setdefault(item.output, item)
        if other is not item:
            raise ConfigError(
                f"{one_line(other.name)} and {one_line(item.name)} would both become "
                f"{one_line(item.output)}; translate them apart"
            )
