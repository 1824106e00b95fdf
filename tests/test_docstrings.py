"""A public docstring can be read without the name it is of, and lists arguments that are many."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
FRAGMENTS = ("Of ", "For ", "From ", "To ", "With ", "As ", "By ")
LISTED_FROM = 5

Function = ast.FunctionDef | ast.AsyncFunctionDef
Place = tuple[str, ast.ClassDef | None, ast.ClassDef | Function]


def public() -> Iterator[Place]:
    """Where it is, what class it is in, and the public class or function."""
    for folder in ("unit_edge", "train", "export", "runtime"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            classes = [n for n in tree.body if isinstance(n, ast.ClassDef) and not n.name.startswith("_")]
            for owner in (None, *classes):
                for node in (owner or tree).body:
                    if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                        yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", owner, node


def test_a_docstring_begins_with_what_it_is_about() -> None:
    first_lines = {
        where: (ast.get_docstring(node) or "-").splitlines()[0]
        for where, _, node in public()
        if not node.name.startswith("_")
    }
    assert len(first_lines) > 1000
    assert {w: line for w, line in first_lines.items() if line.startswith(FRAGMENTS)} == {}


def of_a_command(where: str) -> bool:
    """Whether parameters are options, which have their help in their annotations."""
    return Path(where).parent.as_posix() == "unit_edge/cli"


def test_five_arguments_or_more_are_listed() -> None:
    unlisted = []
    for where, owner, node in public():
        if isinstance(node, ast.ClassDef) or of_a_command(where):
            continue
        if node.name.startswith("_") and node.name != "__init__":
            continue
        about = f"{ast.get_docstring(node)} {ast.get_docstring(owner) if owner else ''}"
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        count = sum(argument.arg not in ("self", "cls") for argument in arguments)
        if count >= LISTED_FROM and "Args:" not in about and "Attributes:" not in about:
            unlisted.append(where)
    assert unlisted == []
