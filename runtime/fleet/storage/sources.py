"""What a source has: a folder, a pattern, a list, one file, or the same in a store."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from unit_edge.errors import ConfigError, SourceError, UnitEdgeError
from unit_edge.files.reading import read_bounded
from unit_edge.runtime.fleet.items import Item, Outcome
from unit_edge.runtime.fleet.storage.destination import same_place
from unit_edge.runtime.fleet.storage.names import check_alone, check_name, is_picture, is_wanted, output_name
from unit_edge.runtime.fleet.storage.stores import (
    READ_ONLY,
    local_path,
    open_store,
    scheme_of,
    shown,
    telling,
)

_LIST_SUFFIX = ".txt"
_LIST_BYTES = 256 * 2**20
_MAGIC = "*?["

Found = tuple[str, str, int | None]
"""Name, address and size of what was found."""


def find_items(source: str) -> tuple[list[Item], list[Outcome]]:
    """The videos and pictures of a source in the order of their names, and those whose names won't do.

    Of a folder or prefix it is all below it, hidden ones left out; they are called by what follows it. Of
    a web server, the page of a URL that ends with a slash is a folder if it has links to files below it. Of
    a pattern it is what fits, called by what follows its part without wildcards. A .txt is a list: a path or
    URL a line, called by its last part, or by what stands behind a tab.

    Raises:
        SourceError: there is no such source, or nothing in it.
        ConfigError: two would have one name.
    """
    if Path(source).suffix.lower() == _LIST_SUFFIX:
        found = list(_listed(source))
    elif scheme_of(source):
        found = list(_stored(source))
    else:
        found = list(_in_folder(str(local_path(source))))
    items: list[Item] = []
    bad: list[Outcome] = []
    for name, address, size in sorted(found):
        try:
            check_name(name)
        except UnitEdgeError as error:
            bad.append(Outcome(name, error=str(error)))
        else:
            items.append(Item(name=name, address=address, output=output_name(name), bytes=size))
    if not items and not bad:
        raise SourceError(f"{shown(source)}: no videos and no pictures there")
    check_alone(items)
    return items, bad


def would_find(source: str, destination: str) -> bool:
    """Whether a pattern that goes into all folders would find what is in a destination."""
    if "**" not in source:
        return False
    root = _fixed_part(source)
    return same_place(f"{root}/" if scheme_of(source) else root or ".", destination)


def a_clip(source: str) -> Path | None:
    """One of the source's videos that lies on this machine, or None.

    Raises:
        SourceError, ConfigError: see `find_items`.
    """
    clips = (item for item in find_items(source)[0] if not is_picture(item.name))
    return next((local_path(item.address) for item in clips if not scheme_of(item.address)), None)


def _in_folder(source: str) -> Iterator[Found]:
    path = Path(source)
    if path.is_dir():
        yield from _named(_files_below(path), path)
    elif path.is_file():
        yield from _named([path], path.parent)
    elif any(sign in source for sign in _MAGIC):
        fixed = _fixed_part(source)
        paths = (Path(name) for name in glob.glob(source, recursive=True))  # noqa: PTH207
        yield from _named((path for path in paths if path.is_file()), Path(fixed or "."))
    else:
        raise SourceError(
            f"{shown(source)}: no such file; expected a folder, a pattern, a list in a .txt, or a URL"
        )


def _files_below(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise SourceError(f"{error.filename}: {error.strerror or error}")

    for parent, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(parent, name) for name in files if Path(parent, name).is_file())


def _named(paths: Iterable[Path], root: Path) -> Iterator[Found]:
    for path in paths:
        name = path.relative_to(root).as_posix()
        if is_wanted(name):
            yield name, str(path), path.stat().st_size


def _fixed_part(pattern: str) -> str:
    """The folder, or prefix up to a slash, in front of the first wildcard."""
    first = min(pattern.index(sign) for sign in _MAGIC if sign in pattern)
    return pattern[:first].rpartition("/")[0]


def _stored(source: str) -> Iterator[Found]:
    web = scheme_of(source) in READ_ONLY
    if web and not _path_of(source).endswith("/"):  # ? and * are characters of URLs
        yield last_part(source), source, None
        return
    store, path = open_store(source)
    if web:
        with telling(source, SourceError):
            for key in store.find(path):
                name = unquote(_path_of(key).removeprefix(_path_of(path)))
                if is_wanted(name):
                    yield name, key, None
        return
    with telling(source, SourceError):
        if any(sign in path for sign in _MAGIC):
            details, root = store.glob(path, detail=True), _fixed_part(path)
        else:
            details, root = store.find(path, detail=True), path.rstrip("/")
            if list(details) == [path]:
                root = path.rpartition("/")[0]
        for key, about in details.items():
            name = key[len(root) :].removeprefix("/")
            if about.get("type") == "file" and is_wanted(name):
                yield name, store.unstrip_protocol(key), about.get("size")


def _path_of(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError as error:
        raise ConfigError(f"{shown(url)}: no such URL ({error}); expected scheme://HOST/PATH") from None


def last_part(address: str) -> str:
    """What a file is called by its path or URL alone.

    Raises:
        ConfigError: it is a URL that can't be one.
    """
    path = _path_of(address) if scheme_of(address) else address
    last = path.rstrip("/").rpartition("/")[2]
    return unquote(last) if scheme_of(address) in READ_ONLY else last


def _listed(source: str) -> Iterator[Found]:
    for number, line in enumerate(_lines(source), 1):
        if not line.strip() or line.startswith("#"):
            continue
        address, tab, name = (part.strip() for part in line.partition("\t"))
        where = f"{shown(source)}: line {number}: "
        if not tab:
            try:
                name = last_part(address)
            except ConfigError as error:
                raise ConfigError(f"{where}{error}") from None
        if not is_wanted(name) and not name.startswith("."):
            raise ConfigError(
                f"{where}{shown(address)} is no video and no picture by its name; give one behind a tab"
            )
        if scheme_of(address):
            yield name, address, None
            continue
        path = local_path(address)
        try:
            size = path.stat().st_size if path.is_file() else None
        except OSError as error:
            raise SourceError(f"{where}{shown(address)}: can't be looked at ({error.strerror})") from None
        yield name, str(path), size


def _lines(source: str) -> list[str]:
    if scheme_of(source):
        store, path = open_store(source)
        with telling(source, SourceError):
            content = store.cat_file(path)
    else:
        try:
            content = read_bounded(local_path(source), _LIST_BYTES)
        except (OSError, ValueError) as error:
            raise SourceError(f"{shown(source)}: can't be read ({error})") from None
    try:
        return str(content.decode("utf-8-sig")).splitlines()
    except UnicodeDecodeError:
        raise SourceError(f"{shown(source)}: is no list: not UTF-8; expected a path or URL a line") from None
