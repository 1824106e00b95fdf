"""The project's address stands in one place; what else names it follows."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

tomllib = pytest.importorskip("tomllib", reason="Python 3.11")

ROOT = Path(__file__).parents[2]
NAMES_IT = re.compile(r"(?:github\.com|githubusercontent\.com)/unit-edge|unit-edge\.github\.io")
TEXT = {".md", ".toml", ".yml", ".yaml", ".cff", ".py", ".in", ".Dockerfile", ".html", ".js"}


def naming(folder: Path) -> set[str]:
    """The files below that name the address that the project has now, but for tests and changes."""
    folders = ("unit_edge", "train", "export", "runtime", "docs", "deploy", "docker", "release", "models")
    paths = [path for name in folders for path in (folder / name).rglob("*")] + list(folder.iterdir())
    return {
        path.relative_to(folder).as_posix()
        for path in paths
        if path.suffix in TEXT and path.is_file() and NAMES_IT.search(path.read_text(encoding="utf-8"))
    }


def test_one_command_moves_the_project(tmp_path: Path) -> None:
    named = naming(ROOT)
    for name in named | {"release/address.py"}:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    before = (tmp_path / "README.md").read_text()
    move = [sys.executable, str(tmp_path / "release" / "address.py")]
    subprocess.run([*move, "https://github.com/Somebody/night.drive"], check=True, timeout=60)
    assert {"README.md", "pyproject.toml", "CITATION.cff", "mkdocs.yml", "SECURITY.md"} <= named
    assert naming(tmp_path) == set()
    urls = tomllib.loads((tmp_path / "pyproject.toml").read_text())["project"]["urls"]
    assert urls["Repository"] == "https://github.com/Somebody/night.drive"
    assert urls["Documentation"] == "https://somebody.github.io/night.drive/"
    assert urls["Issues"] == "https://github.com/Somebody/night.drive/issues"
    readme = (tmp_path / "README.md").read_text()
    assert "](https://raw.githubusercontent.com/Somebody/night.drive/main/docs/" in readme
    back = subprocess.run([*move, "https://github.com/unit-edge/unit-edge/"], timeout=60)
    assert back.returncode == 0 and (tmp_path / "README.md").read_text() == before


@pytest.mark.parametrize("url", ["https://example.org/a/b", "github.com/a/b", "https://github.com/a"])
def test_what_is_no_repository_changes_nothing(url: str) -> None:
    before = (ROOT / "pyproject.toml").read_bytes()
    command = [sys.executable, str(ROOT / "release" / "address.py"), url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and done.stderr.startswith("error: ") and "OWNER/NAME" in done.stderr
    assert (ROOT / "pyproject.toml").read_bytes() == before
