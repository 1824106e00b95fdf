"""Where translations go: a folder or a prefix of a store, where only whole files have a name."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from unit_edge.errors import ConfigError, SinkError
from unit_edge.files.reading import parse_json
from unit_edge.files.writing import replacing
from unit_edge.runtime.fleet.items import OWN
from unit_edge.runtime.fleet.storage.stores import (
    AT_ONCE,
    READ_ONLY,
    local_path,
    open_store,
    scheme_of,
    shown,
    telling,
)


class Destination:
    """A folder or a prefix of a store."""

    def __init__(self, address: str) -> None:
        """Opens nothing yet, but finds the package that a store needs.

        Raises:
            ConfigError: it is of a kind that can't be written to, or unknown.
        """
        self.address = address
        self.shown = shown(address)
        scheme = scheme_of(address)
        if scheme in READ_ONLY:
            raise ConfigError(f"{self.shown}: can't be written to; expected a folder, s3://, gs://, az://")
        self.folder = None if scheme else local_path(address)
        self._at_once = scheme in AT_ONCE
        self._store: Any = None
        self._root = ""
        if self.folder is None:
            self._store, root = open_store(address)
            self._root = root.rstrip("/")

    def names(self) -> set[str]:
        """What is there, below its root, hidden files left out.

        Raises:
            SinkError: it can't be looked at.
        """
        if self.folder is not None:
            if self.folder.exists() and not self.folder.is_dir():
                raise SinkError(f"{self.shown}: is a file; expected a folder")
            found = [path.relative_to(self.folder) for path in self.folder.rglob("*") if path.is_file()]
            return {path.as_posix() for path in found if not any(p.startswith(".") for p in path.parts)}
        with telling(self.address, SinkError):
            self._store.invalidate_cache()
            keys = self._store.find(self._root) if self._store.exists(self._root) else []
        names = (key[len(self._root) :].lstrip("/") for key in keys)
        return {name for name in names if name and not any(p.startswith(".") for p in name.split("/"))}

    def prepare(self) -> None:
        """Makes the folder; finds out whether something can be written.

        Raises:
            SinkError: it can't.
        """
        if self.folder is not None and not self.folder.absolute().parent.is_dir():
            raise SinkError(f"{self.shown}: there is no folder {self.folder.parent}; make it first")
        self.write("probe", b"")
        self.remove(f"{OWN}/probe")

    def work_folder(self, scratch: Path) -> Path:
        """A new folder for what becomes an output: in the destination itself, or in scratch for a store."""
        folder = (scratch if self.folder is None else self.folder / OWN / "work") / secrets.token_hex(8)
        folder.mkdir(parents=True)
        return folder

    def deliver(self, work_file: Path, output: str) -> None:
        """Puts a whole file under its name, in one step.

        Raises:
            SinkError: it can't be.
        """
        if self.folder is not None:
            try:
                target = self.folder / output
                target.parent.mkdir(parents=True, exist_ok=True)
                work_file.replace(target)
            except OSError as error:
                raise SinkError(
                    f"{self.folder / output}: can't be written ({error.strerror or error})"
                ) from error
            return
        key = f"{self._root}/{output}"
        passing = f"{self._root}/{OWN}/work/{work_file.parent.name}{work_file.suffix}"
        first = key if self._at_once else passing
        with telling(f"{self.address.rstrip('/')}/{output}", SinkError):
            if not self._at_once:
                self._store.makedirs(first.rpartition("/")[0], exist_ok=True)
                self._store.makedirs(key.rpartition("/")[0], exist_ok=True)
            self._store.put_file(str(work_file), first)
            self._store.invalidate_cache()
            sent, there = work_file.stat().st_size, self._store.size(first)
            if there != sent:
                raise OSError(f"has {there} bytes after {sent} were sent")
            if first != key:
                self._store.mv(first, key)

    def has(self, name: str) -> bool:
        """Whether a file is there.

        Raises:
            SinkError: it can't be looked for.
        """
        if self.folder is not None:
            return (self.folder / name).is_file()
        with telling(self.address, SinkError):
            self._store.invalidate_cache()
            return bool(self._store.exists(f"{self._root}/{name}"))

    def fetched(self, name: str, folder: Path) -> Path:
        """A file that is there, as one that can be read: its own, or a copy in a folder.

        Raises:
            SinkError: it isn't there, or can't be had.
        """
        if self.folder is not None:
            return self.folder / name
        target = folder / Path(name).name
        with telling(f"{self.address.rstrip('/')}/{name}", SinkError):
            key = f"{self._root}/{name}"
            self._store.get_file(key, str(target))
            if target.stat().st_size != self._store.size(key):
                raise OSError(f"gave {target.stat().st_size} bytes only")
        return target

    def remove_folder(self, name: str) -> None:
        """Removes a folder and all in it, if it is there."""
        if self.folder is not None:
            shutil.rmtree(self.folder / name, ignore_errors=True)
            return
        with telling(self.address, SinkError), suppress(FileNotFoundError):
            self._store.invalidate_cache()
            self._store.rm(f"{self._root}/{name}", recursive=True)

    def remove(self, name: str) -> None:
        """Removes a file, if it is there."""
        if self.folder is not None:
            (self.folder / name).unlink(missing_ok=True)
            return
        with telling(self.address, SinkError), suppress(FileNotFoundError):
            self._store.rm_file(f"{self._root}/{name}")

    def read(self, name: str) -> Any:
        """What a JSON file of the ledger holds; None if it isn't there.

        Raises:
            SinkError: it is none.
        """
        try:
            if self.folder is not None:
                content = (self.folder / OWN / name).read_bytes()
            else:
                with telling(self.address, SinkError):
                    try:
                        content = self._store.cat_file(f"{self._root}/{OWN}/{name}")
                    except FileNotFoundError:
                        return None
            return parse_json(content)
        except FileNotFoundError:
            return None
        except ValueError:
            raise SinkError(
                f"{self.shown}/{OWN}/{name}: is damaged; remove it, and translate with --overwrite"
            ) from None

    def write(self, name: str, content: bytes | dict[str, Any]) -> None:
        """Writes a file of the ledger, whole.

        Raises:
            SinkError: it can't be written.
        """
        data = content if isinstance(content, bytes) else (json.dumps(content, indent=1) + "\n").encode()
        if self.folder is None:
            key = f"{self._root}/{OWN}/{name}"
            with telling(self.address, SinkError):
                if not self._at_once:
                    self._store.makedirs(key.rpartition("/")[0], exist_ok=True)
                self._store.pipe_file(key, data)
            return
        path = self.folder / OWN / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as temporary:
                temporary.write_bytes(data)
        except OSError as error:
            raise SinkError(f"{path}: can't be written ({error.strerror or error})") from error

    def clean_segments(self) -> None:
        """Removes segments of clips, made for joining, that no run will join any more."""
        self.remove_folder(f"{OWN}/segments")

    def clean(self) -> None:
        """Removes what runs that ended early have left unfinished; nobody may be working."""
        if self.folder is not None:
            shutil.rmtree(self.folder / OWN / "work", ignore_errors=True)


def same_place(one: str, other: str) -> bool:
    """Whether a destination is in a source, or the other way round, so that they would mix."""
    if scheme_of(one) != scheme_of(other):
        return False
    if scheme_of(one):
        a, b = (f"{address.rstrip('/')}/" for address in (one, other))
    else:
        a, b = (f"{os.path.realpath(local_path(address))}/" for address in (one, other))
    return a.startswith(b) or b.startswith(a)
