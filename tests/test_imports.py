"""Who may import whom, and that a board needs neither torch nor onnx."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = {
    "core": "unit_edge",
    "media": "unit_edge/media",
    "cli": "unit_edge/cli",
    "train": "train",
    "export": "export",
    "runtime": "runtime",
}
LAZY_ONLY = {"cli": {"train", "export", "runtime"}}
"""What a part may only import inside its functions, so that a command loads what it needs."""
CORE_NEEDS = {*sys.stdlib_module_names, "numpy", "tomli"}
NOT_ON_A_BOARD = ("torch", "onnx", "onnxscript", "safetensors", "tqdm")
HEAVY = ("torch", "cv2", "numpy", "av", "onnx", "onnxruntime")


def imports(tree: ast.AST, lazy: bool = False) -> Iterator[tuple[str, bool]]:
    """(module, whether it is only imported inside a function or for type checkers)."""
    for node in ast.iter_child_nodes(tree):
        inside = lazy or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        inside = inside or (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
        if isinstance(node, ast.Import):
            yield from ((alias.name, lazy) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "absolute imports only"
            yield from ((f"{node.module}.{alias.name}", lazy) for alias in node.names)
        else:
            yield from imports(node, inside)


def part_of(module: str) -> str | None:
    """Which part of the project a module belongs to; None if it is another's."""
    first, _, rest = module.partition(".")
    if first != "unit_edge":
        return None
    second = rest.partition(".")[0]
    return second if second in FOLDERS else "core"


def files_of(part: str) -> list[Path]:
    """The files of a part; the core's are those of no other part."""
    files = sorted((ROOT / FOLDERS[part]).rglob("*.py"))
    return [path for path in files if part != "core" or part_of(dotted(path)) == "core"]


def dotted(path: Path) -> str:
    """A file's import name."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts if parts[0] == "unit_edge" else ("unit_edge", *parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("part", FOLDERS)
def test_what_a_command_needs_is_loaded_by_that_command(part: str) -> None:
    files = files_of(part)
    assert files
    for path in files:
        for module, lazy in imports(ast.parse(path.read_text(encoding="utf-8"))):
            target = part_of(module)
            only_lazily = target in LAZY_ONLY.get(part, ())
            assert lazy or not only_lazily, f"{path.relative_to(ROOT)} imports {module} when it is loaded"
            assert module.partition(".")[0] not in FOLDERS.values() or target, f"{path}: {module} has no home"


@pytest.mark.parametrize(
    ("module", "statement", "broken"),
    [
        ("files/writing", "import unit_edge.media.containers", 0),
        ("media/containers", "from unit_edge.runtime import channel", 0),
        ("runtime/channel", "def late():\n    import unit_edge.train.losses", 0),
        ("export/scenes", "from unit_edge.cli import app", 0),
        ("unknown", "", 0),
        ("runtime/sheet", "from unit_edge.runtime.bench import statistics", 1),
        ("export/scenes", "from unit_edge.runtime.doctor import finding", 2),
        ("train/losses/equations", "from unit_edge.train import loop", 3),
    ],
)
def test_a_forbidden_import_breaks_its_contract(
    tmp_path: Path, module: str, statement: str, broken: int
) -> None:
    """A copy of the tree with one more line, checked as `make lint` does it."""
    for part in ("core", "train", "export", "runtime"):
        target = tmp_path / "unit_edge" / ("" if part == "core" else part)
        shutil.copytree(ROOT / FOLDERS[part], target, ignore=shutil.ignore_patterns("models", "__pycache__"))
    changed = tmp_path / "unit_edge" / f"{module}.py"
    with changed.open("a", encoding="utf-8") as file:
        file.write(f"\n{statement}\n")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    names = re.findall(r'^name = "(.+)"$', (tmp_path / "pyproject.toml").read_text("utf-8"), re.MULTILINE)[1:]
    assert done.returncode == 1, done.stdout
    assert f"{names[broken]} BROKEN" in done.stdout


def test_the_core_needs_the_standard_library_and_numpy_only() -> None:
    for path in files_of("core"):
        for module, _ in imports(ast.parse(path.read_text(encoding="utf-8"))):
            first = module.partition(".")[0]
            assert first == "unit_edge" or first in CORE_NEEDS, f"{path.name} imports {module}"


def test_every_module_of_the_core_loads_with_numpy_alone() -> None:
    names = [dotted(path) for path in files_of("core")]
    assert "unit_edge.settings" in names
    blocked = tuple({*HEAVY, *NOT_ON_A_BOARD, "typer"} - {"numpy"})
    code = f"import sys\nfor name in {blocked}: sys.modules[name] = None\n"
    done = python(code + "".join(f"import {name}\n" for name in names))
    assert (done.returncode, done.stderr) == (0, "")


def test_the_runtime_never_mentions_the_training_packages() -> None:
    for path in files_of("runtime"):
        for module, _ in imports(ast.parse(path.read_text(encoding="utf-8"))):
            assert module.partition(".")[0] not in NOT_ON_A_BOARD, f"{path.name} imports {module}"


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)


BLOCK = f"import sys\nfor name in {NOT_ON_A_BOARD}: sys.modules[name] = None\n"
COMMAND = "from unit_edge.cli import main\nsys.argv = ['unit-edge', *sys.argv[1:]]\n"


def test_every_module_of_the_runtime_loads_without_torch_and_onnx() -> None:
    names = [dotted(path) for path in files_of("runtime")]
    assert "unit_edge.runtime.pipeline" in names
    code = BLOCK + "".join(f"import {name}\n" for name in names)
    done = python(code)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("folder", ["backends", "sources", "sinks"])
def test_a_protocol_loads_with_numpy_alone(folder: str) -> None:
    blocked = tuple({*HEAVY, *NOT_ON_A_BOARD, "typer"} - {"numpy"})
    done = python(
        f"import sys\nfor name in {blocked}: sys.modules[name] = None\nimport unit_edge.runtime.{folder}.base"
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_help_works_without_them_and_loads_nothing_heavy() -> None:
    code = (
        BLOCK
        + COMMAND
        + f"""
try: main()
except SystemExit as leave: code = leave.code
print([name for name in {HEAVY} if sys.modules.get(name)])
sys.exit(code)
"""
    )
    done = python(code, "--help")
    assert done.returncode == 0, done.stderr
    assert "translate" in done.stdout and "export" in done.stdout
    assert done.stdout.endswith("[]\n")


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (["train", "CONFIG"], "train"),
        (["export", "run", "--to", "night"], "export"),
        (["verify", "model.onnx", "--against", "run"], "export"),
        (["inspect", "day2night-edge-s"], "inspect"),
    ],
)
def test_a_missing_package_is_named_with_its_extra(arguments: list[str], extra: str, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    for domain in "day", "night":
        (tmp_path / domain).mkdir()
    config.write_text(
        '[domain1]\nname = "day"\npaths = ["day"]\n[domain2]\nname = "night"\npaths = ["night"]\n'
    )
    done = python(BLOCK + COMMAND + "main()", *[str(config) if a == "CONFIG" else a for a in arguments])
    assert done.returncode == 1
    assert "`pip install " in done.stderr and f"[{extra}]" in done.stderr
    assert done.stderr.count("\n") == 1
