"""Whether a name that somebody wrote into a file is that of a file or folder, and what is in that."""

from __future__ import annotations

import os
from pathlib import Path

from unit_edge.errors import DataError


def is_file(path: Path) -> bool:
    """Whether a file is there; a name that none can have, or that may not be looked at, is none."""
    return os.path.isfile(path)  # noqa: PTH113


def is_folder(path: Path) -> bool:
    """Whether a folder is there; a name that none can have, or that may not be looked at, is none."""
    return os.path.isdir(path)  # noqa: PTH112


def files_below(folder: Path) -> list[Path]:
    """All files in a folder and its folders, sorted.

    Raises:
        DataError: one of them can't be looked through.
    """
    try:
        return sorted(path for path in folder.rglob("*") if is_file(path))
    except OSError as error:
        raise DataError(f"{folder}: can't be looked through ({error.strerror or error})") from None
