"""Writes docs/errors.md: every message of an error that is raised on purpose, read out of the code.

`python docs/make_errors.py` writes it; tests/test_errors_page.py fails if it isn't what the code says.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "errors.md"
CLASSES = {
    "ConfigError": "a setting, option or TOML file",
    "DataError": "training or evaluation images",
    "ImageError": "an image file that can't be read",
    "ModelError": "a model file or its manifest",
    "BackendError": "an inference backend that is missing or failed",
    "SourceError": "frames could not be read",
    "TruncatedError": "reading broke off after some good frames; what there is of the output is finished",
    "SinkError": "frames could not be written",
    "PartialError": "some outputs failed; the others are finished",
    "CheckpointError": "a training run that can't be saved or loaded",
    "TrainingError": "training went wrong",
    "VerifyError": "an exported file computes something else than its checkpoint",
    "UnitEdgeError": "others",
}
_HEAD = """# Errors

Every error that unit-edge raises on purpose, as one line: what was given, what was expected, how to
mend it. The exit code is 1. `...` stands for what differs. `python docs/make_errors.py` makes this page.
"""


def messages(path: Path) -> Iterator[tuple[str, str]]:
    """The class and text of each error that a module raises, or makes to be raised."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
            continue
        name = node.func.id
        if name in CLASSES and node.args:
            yield name, _text(node.args[0])
        elif name == "require" and len(node.args) == 4:
            key, expected = _text(node.args[1]), _text(node.args[3])
            yield "ConfigError", f"{key} = ..., expected {expected}"


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _text(node.left) + _text(node.right)
    return "..."


def page() -> str:
    """The whole page."""
    found: dict[str, dict[str, set[str]]] = {name: {} for name in CLASSES}
    for folder in ("unit_edge", "train", "export", "runtime"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for name, text in messages(path):
                text = " ".join(text.split())
                if text.strip(" .:"):
                    found[name].setdefault(text, set()).add(path.relative_to(ROOT).as_posix())
    parts = [_HEAD]
    for name, about in CLASSES.items():
        if not found[name]:
            continue
        lines = [
            f"- ``{text}`` ({', '.join(sorted(places))})" for text, places in sorted(found[name].items())
        ]
        parts.append("\n".join([f"## {name}: {about}", "", *lines, ""]))
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page())
    sys.stdout.write(f"wrote {PAGE.relative_to(ROOT)}\n")
