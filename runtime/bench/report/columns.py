"""A table in columns of one width, which is folded where a terminal is narrower than it."""

from __future__ import annotations

from collections.abc import Sequence

Lines = Sequence[Sequence[str]]
_GAP = "  "


def as_text(table: Lines, width: int | None = None, keys: int = 1) -> str:
    """The heading and the lines of a table in columns of one width.

    Args:
        table: the heading and lines, of as many cells each.
        width: of the terminal; a wider table becomes several below one another, of fewer columns each.
            None: the table stays whole.
        keys: how many columns tell lines from one another. Each of the tables begins with them; where they
            take more than half of the width, they stand above their line instead.
    """
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    if width is None or _wide(widths) <= width:
        return _block(table, widths, range(len(widths)))
    if _wide(widths[:keys]) > width / 2:
        return _below_keys([line[:keys] for line in table], [line[keys:] for line in table], width)
    return "\n\n".join(_block(table, widths, kept) for kept in _parts(widths, width, keys))


def _below_keys(keys: Lines, rest: Lines, width: int) -> str:
    """The lines of each key below it, under the heading; a line without a key belongs to the one above it."""
    starts = [number for number, key in enumerate(keys) if number and (number == 1 or any(key))]
    widths = [max(map(len, column)) for column in zip(*rest, strict=True)]
    texts = []
    for start, end in zip(starts, [*starts[1:], len(rest)], strict=True):
        lines = [rest[0], *rest[start:end]]
        parts = _parts(widths, width - len(_GAP), 0)
        below = "\n".join(_block(lines, widths, kept) for kept in parts)
        texts += [_GAP.join(keys[start]).rstrip(), *(_GAP + line for line in below.split("\n"))]
    return "\n".join(texts)


def _parts(widths: Sequence[int], width: int, keys: int) -> list[list[int]]:
    """Which columns stand in each of the tables: all the keys, and as many others as there is room for."""
    parts: list[list[int]] = []
    for column in range(keys, len(widths)):
        if not parts or _wide([widths[k] for k in [*parts[-1], column]]) > width:
            parts.append(list(range(keys)))
        parts[-1].append(column)
    return parts


def _wide(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _block(table: Lines, widths: Sequence[int], kept: Sequence[int]) -> str:
    return "\n".join(_GAP.join(f"{line[k]:{widths[k]}}" for k in kept).rstrip() for line in table)
