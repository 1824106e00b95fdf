"""A folder as one .tar.zst, with the same bytes for the same content. Needs zstandard."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import IO, cast

import zstandard

SUFFIX = ".tar.zst"
_TIME = 315532800
"""Of every file, in seconds since 1970: the start of 1980, as in the wheels."""


def pack(folder: Path, archive: Path, first: str) -> None:
    """Writes a folder, under its own name, into an archive.

    Args:
        first: name of the file in it that comes first, so that `first_name` can tell what an archive is.

    Raises:
        OSError: it can't be written.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    files.sort(key=lambda path: path != folder / first)
    compressor = zstandard.ZstdCompressor(level=6)  # wheels and weights hardly shrink further
    with (
        archive.open("wb") as raw,
        compressor.stream_writer(raw, closefd=False) as compressed,
        tarfile.open(fileobj=cast(IO[bytes], compressed), mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in files:
            entry = tarfile.TarInfo(f"{folder.name}/{path.relative_to(folder).as_posix()}")
            entry.size, entry.mtime = path.stat().st_size, _TIME
            entry.mode = 0o755 if path.suffix == ".sh" else 0o644
            with path.open("rb") as content:
                tar.addfile(entry, content)


def first_name(archive: Path) -> str | None:
    """The name of the first file in an archive; None if it isn't one."""
    try:
        with (
            archive.open("rb") as raw,
            zstandard.ZstdDecompressor().stream_reader(raw) as content,
            tarfile.open(fileobj=cast(IO[bytes], content), mode="r|") as tar,
        ):
            entry = tar.next()
            return None if entry is None else entry.name
    except (OSError, tarfile.TarError, zstandard.ZstdError):
        return None
