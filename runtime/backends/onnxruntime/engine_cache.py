"""A cache of engines that ONNX Runtime builds with TensorRT.

An engine is code, so what is loaded must be what was built here: the cache is in a folder that nobody else
may write to, and each entry has a list of its files with their SHA-256. An entry that differs from its list
is thrown away and built anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from unit_edge.errors import BackendError
from unit_edge.files.reading import read_json
from unit_edge.files.writing import cache_home, replacing
from unit_edge.manifests.model import sha256_of

_CONTENTS = "contents.json"
_UNFINISHED = ".unfinished-"
_ABANDONED_S = 24 * 3600


@contextmanager
def engine_folder(*made_for: object) -> Iterator[Path]:
    """A folder for the engines of one model on one machine, to be filled if it is empty.

    It is kept for the next time if the block ends well; where engines from last time don't work, they are
    thrown away, so that the next attempt builds new ones.

    Args:
        made_for: all that engines depend on: the model's SHA-256, the frames' shape, versions, the GPU.

    Raises:
        BackendError: the cache can't be written, or isn't the user's alone.
    """
    try:
        root = _private_root()
        folder = root / hashlib.sha256(json.dumps(made_for).encode()).hexdigest()[:32]
        kept = _is_whole(folder)
        if not kept:
            _discard(folder)
        working = folder if kept else Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=root))
    except OSError as error:
        raise _unusable(error) from None
    try:
        yield working
        if not _is_whole(working):  # new, or ONNX Runtime has added to it
            _seal(working)
        if not kept:
            with suppress(OSError):  # another process has put its own there meanwhile
                working.rename(folder)
    except BaseException as error:
        if not kept or isinstance(error, Exception):  # an interruption says nothing about the engines
            _discard(working)
        raise
    if not kept:
        _discard(working)


def _private_root() -> Path:
    home = cache_home()
    home.mkdir(parents=True, exist_ok=True)
    root = home / "engines"
    root.mkdir(mode=0o700, exist_ok=True)
    if os.name == "posix":
        for path in (home, root):
            about = path.lstat()
            mine = stat.S_ISDIR(about.st_mode) and about.st_uid == os.getuid()
            # what was in a folder that others could write to can't be trusted
            if not mine or (path == root and about.st_mode & 0o077):
                raise BackendError(
                    f"{path}: others may have changed what is in it, and engines are code; remove it"
                )
        home.chmod(home.stat().st_mode & 0o755)
    for path in root.glob(f"{_UNFINISHED}*"):
        with suppress(FileNotFoundError):  # finished meanwhile
            if time.time() - path.stat().st_mtime > _ABANDONED_S:
                _discard(path)
    return root


def _is_whole(folder: Path) -> bool:
    try:
        listed = read_json(folder / _CONTENTS)
        return bool(listed) and listed == _contents(folder)
    except (OSError, ValueError):
        return False


def _seal(folder: Path) -> None:
    try:
        contents = _contents(folder)
        with replacing(folder / _CONTENTS) as unfinished:
            unfinished.write_text(json.dumps(contents, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise _unusable(error) from None


def _contents(folder: Path) -> dict[str, str]:
    """SHA-256 of all files by name, except that of the list itself."""
    return {path.name: sha256_of(path) for path in sorted(folder.iterdir()) if path.name != _CONTENTS}


def _discard(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _unusable(error: OSError) -> BackendError:
    return BackendError(
        f"{error.filename or cache_home()}: engines can't be kept there ({error.strerror}); "
        "set XDG_CACHE_HOME to a folder with room that can be written"
    )
