"""YAML files, such as YOLO's data.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unit_edge.errors import ConfigError, DataError
from unit_edge.files.reading import DEPTH_AT_MOST, check_plain, read_bounded
from unit_edge.text.printable import one_line

_BYTES_AT_MOST = 2**20
_SHOWN = 200
_VALUES_AT_MOST = 2**20
"""Aliases counted as often as they are used: a few lines of them can stand for 10^9 values."""


def read_yaml(path: Path) -> object:
    """What a YAML file holds, in plain types.

    Raises:
        DataError: it can't be read, or is no YAML.
        ConfigError: PyYAML, of the check extra, is not installed.
    """
    try:
        import yaml
    except ModuleNotFoundError:
        raise ConfigError(
            f'{path}: reading YAML needs PyYAML: install it with `pip install "unit-edge[check]"`'
        ) from None
    if not path.is_file():
        raise DataError(f"{path}: no such file; expected a YOLO data.yaml")
    try:
        text = read_bounded(path, _BYTES_AT_MOST).decode("utf-8-sig")
        content: object = yaml.load(text, _bounded_loader())
        check_plain(content)
    except Exception as error:  # PyYAML raises whatever its constructors stumble over
        raise DataError(f"{path}: can't be read as YAML ({one_line(error, _SHOWN)})") from None
    return content


def _bounded_loader() -> Any:
    """PyYAML's SafeLoader, which ends at what is nested deeply or grows without end."""
    import yaml

    class BoundedLoader(yaml.SafeLoader):
        depth = values = 0

        def __init__(self, stream: str) -> None:
            super().__init__(stream)
            self.sizes: dict[int, int] = {}

        def compose_node(self, parent: Any, index: Any) -> Any:
            before = self.values
            if self.check_event(yaml.AliasEvent):
                node = super().compose_node(parent, index)
                self.values += self.sizes.get(id(node), _VALUES_AT_MOST)  # unknown of what holds itself
            else:
                self.depth += 1
                self.values += 1
                if self.depth > DEPTH_AT_MOST:
                    raise yaml.YAMLError(f"nested more than {DEPTH_AT_MOST} deep")
                node = super().compose_node(parent, index)
                self.depth -= 1
                self.sizes[id(node)] = self.values - before
            if self.values > _VALUES_AT_MOST:
                raise yaml.YAMLError(f"its aliases stand for more than {_VALUES_AT_MOST} values")
            return node

    return BoundedLoader


def as_yaml(content: object) -> bytes:
    """Plain types as YAML, in their order."""
    import yaml

    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True).encode()
