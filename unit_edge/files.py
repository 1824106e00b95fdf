"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from unit_edge.errors import SinkError


def cache_home() -> Path:
    """$XDG_CACHE_HOME/unit-edge, or ~/.cache/unit-edge."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not Path(base).is_absolute():  # as the XDG specification has it
        base = "~/.cache"
    return Path(base).expanduser() / "unit-edge"


@contextmanager
def replacing(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """A name beside `path` to write to: it becomes `path` at the end, or is gone if anything fails.

    Args:
        path: the file; one that is there is replaced in one step.
        durable: it also survives a power cut: its content is on the disk before the name is.

    Raises:
        OSError: it can't be put in place.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        if durable:
            sync(temporary)
        temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_output(path: Path, content: bytes) -> None:
    """Writes a file that the user asked for.

    Raises:
        SinkError: it can't be written.
    """
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        raise SinkError(f"{path}: can't be written ({error.strerror or error})") from None


def sync(path: Path) -> None:
    """Waits until a file's content, or a folder's entries, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
