"""YAML files, such as YOLO's data.yaml."""

from __future__ import annotations

from pathlib import Path

from unit_edge.errors import ConfigError, DataError
from unit_edge.text.printable import one_line


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
        content: object = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"{path}: can't be read as YAML ({one_line(error)})") from None
    return content


def as_yaml(content: object) -> bytes:
    """Plain types as YAML, in their order."""
    import yaml

    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True).encode()
