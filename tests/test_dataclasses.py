"""A dataclass of many fields is built by their names: an order that somebody changes must not swap values."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
AT_MOST = 3


def trees() -> Iterator[tuple[Path, ast.Module]]:
    for folder in ("unit_edge", "train", "export", "runtime"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path, ast.parse(path.read_text(encoding="utf-8"))


def is_dataclass(node: ast.ClassDef) -> bool:
    return any(
        ast.unparse(decorator).split("(")[0].endswith("dataclass") for decorator in node.decorator_list
    )


def values_of(argument: ast.expr) -> int:
    """How many values an argument stands for; of `*names` that is taken to be two."""
    if not isinstance(argument, ast.Starred):
        return 1
    return len(argument.value.elts) if isinstance(argument.value, ast.Tuple | ast.List) else 2


def test_dataclasses_are_built_by_names() -> None:
    classes = {
        n.name
        for _, tree in trees()
        for n in ast.walk(tree)
        if isinstance(n, ast.ClassDef) and is_dataclass(n)
    }
    assert len(classes) > 100
    positional = [
        f"{path.relative_to(ROOT)}:{node.lineno} {ast.unparse(node.func)}"
        for path, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).split(".")[-1] in classes
        and sum(map(values_of, node.args)) > AT_MOST
    ]
    assert positional == []
