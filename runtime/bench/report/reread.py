"""Reading a benchmark's JSON again: what shows and compares it is run over it once, before it is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unit_edge.errors import ConfigError
from unit_edge.runtime.bench.report.compare import compare, differences
from unit_edge.runtime.bench.report.table import remarks, stage_table, tabulate
from unit_edge.runtime.bench.result import read_report

_OF_WRONG_FIELDS = (TypeError, ValueError, AttributeError, IndexError, ArithmeticError, StopIteration)
_TABLES = ("machine", "settings")


def read_whole(path: Path) -> dict[str, Any]:
    """A benchmark's JSON of which each part can be shown and compared.

    Raises:
        ConfigError: it can't be read, is something else, or a field is missing or of another type.
    """
    report = read_report(path)
    try:
        for name in _TABLES:
            if not isinstance(report[name], dict):
                raise TypeError(f"{name} is no table")
        if not isinstance(report["made"], str):
            raise TypeError("made is no text")
        for row in report["rows"]:
            if not (isinstance(row["spoilers"], list) and isinstance(row["sha256"], str)):
                raise TypeError("spoilers or sha256 of a row")
        for table in (tabulate(report["rows"]), stage_table(report["rows"])):
            "".join(cell for line in table for cell in line)
        "".join(line for _, lines in remarks(report) for line in lines)
        differences(report, report)
        compare(report, report, 0.0)
    except KeyError as error:
        raise _damaged(path, f"no {error}") from None
    except _OF_WRONG_FIELDS as error:
        raise _damaged(path, str(error) or type(error).__name__) from None
    return report


def _damaged(path: Path, what: str) -> ConfigError:
    return ConfigError(f"{path}: a damaged benchmark ({what}); measure it again")
