"""Tables that say which images have an attribute: CSV, or CelebA's own list_attr_celeba.txt."""

from __future__ import annotations

import csv
import difflib
import posixpath
from collections.abc import Iterator, Mapping
from pathlib import Path

from unit_edge.errors import DataError
from unit_edge.files.reading import read_bounded

_BYTES_AT_MOST = 2**30
_VALUES = {"1": True, "0": False, "-1": False}


class AttributeTable:
    """One column of a table of attributes.

    A CSV file (or one with semicolons or tabs) has a header; its first column is the image's name.
    Otherwise columns are separated by spaces, the first line may be the number of images, and the header
    need not name the column of names. Values are 1, and -1 or 0.
    """

    def __init__(self, path: Path, attribute: str) -> None:
        """
        Raises:
            DataError: the file can't be read, a line is malformed, or the attribute isn't in it.
        """
        self.path = path
        self._names: dict[str, bool] = {}
        self._without_suffix: dict[str, bool | None] = {}
        self._depth = 1
        lines = _read(path)
        number, header = next(lines, (0, []))
        if len(header) == 1 and header[0].strip().isdecimal():
            number, header = next(lines, (number, []))
        header = [name.strip() for name in header]
        if len(header) < 2:
            raise DataError(f"{path}: line {max(1, number)}: no header; expected names of attributes")
        place: int | None = None
        width = 0
        for number, row in lines:
            if place is None:
                width = len(row)
                columns = header if width == len(header) + 1 else header[1:]
                if width not in (len(header), len(header) + 1):
                    raise self._malformed(number, f"{width} cells under a header of {len(header)}")
                if attribute not in columns:
                    raise self._unknown(attribute, columns)
                place = columns.index(attribute) + 1
            if len(row) != width:
                raise self._malformed(number, f"{len(row)} cells, the lines before have {width}")
            self._add(number, row[0].strip(), row[place].strip())
        if not self._names:
            raise DataError(f"{path}: no images in it; expected a line for each")

    def _add(self, number: int, name: str, value: str) -> None:
        if value not in _VALUES:
            raise self._malformed(number, f"{value!r} for {name}, expected 1, -1 or 0")
        has = _VALUES[value]
        name = posixpath.normpath(name)
        bare = posixpath.splitext(name)[0]
        if self._names.get(name, has) != has:
            raise self._malformed(number, f"{name} is there twice, with and without the attribute")
        self._names[name] = has
        self._without_suffix[bare] = has if self._without_suffix.get(bare, has) == has else None
        self._depth = max(self._depth, name.count("/") + 1)

    def __call__(self, image: Path) -> bool | None:
        """Whether an image has the attribute; None if it isn't in the table.

        It is looked up by as much of its path as the table gives, then by its name without the suffix, as
        CelebA's PNG edition goes with a table of JPEG names.
        """
        has = self._look_up(image.parts, self._names)
        if has is None:
            has = self._look_up((*image.parts[:-1], image.stem), self._without_suffix)
        return has

    def _look_up(self, parts: tuple[str, ...], names: Mapping[str, bool | None]) -> bool | None:
        for count in range(1, self._depth + 1):
            has = names.get("/".join(parts[-count:]))
            if has is not None:
                return has
        return None

    def _unknown(self, attribute: str, columns: list[str]) -> DataError:
        folded = {name.lower(): name for name in columns}
        near = difflib.get_close_matches(attribute.lower(), folded, n=1, cutoff=0.4)
        known = ", ".join(columns[:8]) + (", ..." if len(columns) > 8 else "")
        hint = f"; did you mean {folded[near[0]]}?" if near else f"; it has {known}"
        return DataError(f"{self.path}: no attribute {attribute!r} in it{hint}")

    def _malformed(self, number: int, what: str) -> DataError:
        return DataError(f"{self.path}: line {number}: {what}")


def _read(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line numbers and cells; empty lines are left out."""
    try:
        text = read_bounded(path, _BYTES_AT_MOST).decode("utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; expected a table of attributes") from None
    except OSError as error:
        raise DataError(f"{path}: can't be read ({error.strerror}); expected a table of attributes") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: not UTF-8 text; expected a table of attributes") from None
    except ValueError as error:
        raise DataError(f"{path}: {error}; expected a table of attributes") from None
    lines = text.splitlines()
    first = next((line for line in lines if line.strip()), "")
    separator = max(",;\t", key=first.count)
    if separator not in first:
        yield from ((number, line.split()) for number, line in enumerate(lines, 1) if line.strip())
        return
    reader = csv.reader(lines, delimiter=separator, strict=True)
    try:
        yield from ((reader.line_num, row) for row in reader if row)
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num}: {error}") from None
