"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import functools
import glob
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from unit_edge.errors import SinkError

_NAME_SHOWN = 40
_TOKEN_BYTES = 8
_ABANDONED_S = 24 * 3600
_TEMPORARY = re.compile(rf"\.(?P<name>.+)\.[0-9a-f]{{{2 * _TOKEN_BYTES}}}\.tmp", re.DOTALL)
# Windows has none of them
_NOT_BY_LINK = getattr(os, "O_NOFOLLOW", 0)
_NOT_WAITING = getattr(os, "O_NONBLOCK", 0)
_CLOSED_BY_EXEC = getattr(os, "O_CLOEXEC", 0)


def cache_home() -> Path:
    """The folder of caches: $XDG_CACHE_HOME/unit-edge, or ~/.cache/unit-edge."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not Path(base).is_absolute():  # as the XDG specification has it
        base = "~/.cache"
    return Path(base).expanduser() / "unit-edge"


def hidden_beside(path: Path) -> Path:
    """A name beside `path` that nobody can know before, so that nobody can have put a link there."""
    return path.with_name(f".{path.name[:_NAME_SHOWN]}.{secrets.token_hex(_TOKEN_BYTES)}.tmp")


def remove_abandoned(folder: Path, pattern: str) -> None:
    """Removes folders of work that was killed: those that a pattern fits and that are a day old."""
    for path in folder.glob(pattern):
        with suppress(OSError):  # finished meanwhile
            if path.is_dir() and not path.is_symlink() and time.time() - path.stat().st_mtime > _ABANDONED_S:
                shutil.rmtree(path, ignore_errors=True)


@functools.lru_cache(maxsize=16)
def _abandoned_files(folder: Path) -> dict[str, list[Path]]:
    """Temporary files that are a day old, by the beginning of the name of what they were to become.

    A process looks at a folder once, for it may hold tens of thousands of pictures.
    """
    found: dict[str, list[Path]] = {}
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            named = _TEMPORARY.fullmatch(entry.name)
            if named is None:
                continue
            with suppress(OSError):  # finished meanwhile
                about = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(about.st_mode) and time.time() - about.st_mtime > _ABANDONED_S:
                    found.setdefault(named["name"], []).append(Path(entry.path))
    return found


@contextmanager
def folder_beside(path: Path) -> Iterator[Path]:
    """A new hidden folder beside `path`, gone at the end; what killed work left there goes too.

    Raises:
        OSError: it can't be made.
    """
    shown = glob.escape(path.name[:_NAME_SHOWN])
    remove_abandoned(path.parent, f".{shown}.{'[0-9a-f]' * 2 * _TOKEN_BYTES}.tmp")
    folder = hidden_beside(path)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def create_alone(path: Path) -> int:
    """Makes a new file, and opens it for writing; the descriptor is the caller's to close.

    Raises:
        OSError: something is there already, be it a link to nowhere.
    """
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _CLOSED_BY_EXEC, 0o666)


def open_unlinked(path: Path, flags: int) -> int:
    """Opens a regular file that may be there already, or makes it; the descriptor is the caller's to close.

    For names that somebody else could foresee: a link there isn't followed, a pipe or device not opened.

    Raises:
        OSError: there is something else than a regular file.
    """
    try:
        descriptor = os.open(path, flags | os.O_CREAT | _NOT_BY_LINK | _NOT_WAITING | _CLOSED_BY_EXEC, 0o666)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise OSError(error.errno, "is a link or a pipe, expected a file; remove it", str(path)) from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "is no regular file; remove it", str(path))
    return descriptor


def what_else(path: Path) -> str:
    """What a path is that can't be read twice, and may never end: "a pipe", "a device"; "" if it is none."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return ""
    if stat.S_ISFIFO(mode):
        return "a pipe"
    if stat.S_ISSOCK(mode):
        return "a socket"
    return "a device" if stat.S_ISCHR(mode) or stat.S_ISBLK(mode) else ""


@contextmanager
def replacing(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """A name beside `path` to write to: it becomes `path` at the end, or is gone if anything fails.

    What killed work left there under such a name goes once it is a day old, and this process is a new one.

    Args:
        path: the file; one that is there is replaced in one step.
        durable: it also survives a power cut: its content is on the disk before the name is.

    Raises:
        OSError: it can't be put in place.
    """
    for left in _abandoned_files(path.parent.absolute()).pop(path.name[:_NAME_SHOWN], ()):
        with suppress(OSError):
            left.unlink()
    temporary = hidden_beside(path)
    descriptor = create_alone(temporary)
    mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
    os.close(descriptor)
    try:
        yield temporary
        if stat.S_IMODE(temporary.stat().st_mode) != mode:  # some libraries make files for their owner alone
            temporary.chmod(mode)
        if durable:
            sync(temporary)
        temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Raises SinkError if a file couldn't be made there: before the work that ends with it.

    Its folder needn't exist yet.
    """
    folder = path.absolute().parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:  # what access() says isn't so of every file system
        attempt = hidden_beside(folder / path.name)
        os.close(create_alone(attempt))
        attempt.unlink()
    except OSError as error:
        reason = error.strerror or error
        raise SinkError(f"{path}: {folder} can't be written to ({reason}); give another place") from None


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
