"""A worker's folder for what is on its way, with a limit that holds downloads up."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from unit_edge.errors import SinkError, SourceError

try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = None  # type: ignore[assignment]

_PREFIX = "unit-edge-fleet-"
_YOUNG_S = 60


class Scratch:
    """A private folder that goes with its worker; what workers that were killed have left goes too."""

    def __init__(self, parent: str | None, limit: int) -> None:
        """Makes the folder.

        Args:
            parent: what it is made in; None for the system's folder for temporary files.
            limit: bytes that may be in it.

        Raises:
            SinkError: it can't be made.
        """
        root = Path(parent or tempfile.gettempdir())
        try:
            self.folder, self._lock = private_folder(root, _PREFIX)
        except OSError as error:
            raise SinkError(
                f"{root}: no place for scratch ({error.strerror or error}); give --scratch"
            ) from None
        self._limit, self._used = limit, 0
        self._changed = threading.Condition()

    @contextmanager
    def room(self, size: int | None) -> Iterator[Path]:
        """A new folder in it, once there is room for `size` bytes; it goes at the end.

        What nobody knows the size of is there alone.

        Raises:
            SourceError: there never will be room.
        """
        wanted = self._limit if size is None else size
        if wanted > self._limit:
            raise self._too_large(f"{wanted / 2**30:.3g} GiB")
        with self._changed:
            self._changed.wait_for(lambda: self._used + wanted <= self._limit)
            self._used += wanted
        folder = self.folder / secrets.token_hex(8)
        try:
            folder.mkdir()
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            with self._changed:
                self._used -= wanted
                self._changed.notify_all()

    def counter(self) -> Any:
        """A callback for a download by fsspec, that ends one which is larger than what a worker may take.

        It raises SourceError.
        """
        from fsspec.callbacks import Callback

        scratch, limit = self, self._limit

        class Counter(Callback):  # type: ignore[misc]
            def call(self, *_: object, **__: object) -> None:
                if self.value > limit:
                    raise scratch._too_large("too much")

        return Counter()

    def _too_large(self, needed: str) -> SourceError:
        return SourceError(
            f"needs {needed} of scratch, and a worker may take {self._limit / 2**30:.3g} GiB; give more with "
            "--scratch-gib"
        )

    def close(self) -> None:
        """Removes the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)


def private_folder(root: Path, prefix: str) -> tuple[Path, int | None]:
    """Makes a folder for this process, and removes those of processes that are dead.

    Args:
        root: what it is made in.
        prefix: of its name.

    Returns:
        The folder, and a descriptor that is to be closed when it is no longer needed.

    Raises:
        OSError: it can't be made.
    """
    _sweep(root, prefix)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=root))
    return folder, _locked(folder)


def _locked(folder: Path) -> int | None:
    """A descriptor that holds a lock on a folder for as long as this process lives; None if another does."""
    descriptor = os.open(folder, os.O_RDONLY)
    if fcntl is not None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return None
    return descriptor


def _sweep(root: Path, prefix: str) -> None:
    """Removes folders of ours that no living process holds."""
    if fcntl is None or os.name != "posix":
        return
    for folder in root.glob(f"{prefix}*"):
        with suppress(OSError):  # another process may have removed it meanwhile
            about = folder.lstat()
            if folder.is_symlink() or about.st_uid != os.geteuid() or not folder.is_dir():
                continue
            if time.time() - about.st_mtime < _YOUNG_S:  # perhaps its process hasn't come to locking it
                continue
            lock = _locked(folder)
            if lock is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)
