"""What `pip install` gets: every module of every folder, the models, and nothing at the top level.

And the wheel that a bundle for a board holds, which unit-edge makes of itself.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from unit_edge import __version__
from unit_edge.export.bundle.own_wheel import write_own_wheel

ROOT = Path(__file__).parents[1]
FOLDERS = ("unit_edge", "train", "export", "runtime")
PAGE = {".html", ".css", ".js", ".svg"}


# what a tree has that is no part of what is packed
_LEFT = shutil.ignore_patterns(
    *(
        ".git",
        ".venv",
        ".typing",
        "*_cache",
        "*.egg-info",
        "__pycache__",
        "build",
        "dist",
        "demo",
        "site",
        "runs",
    ),
    *("shared", ".unit-edge-cache"),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist and the wheel that `make dist` makes of this tree, and the tree in source/."""
    folder = tmp_path_factory.mktemp("dist")
    shutil.copytree(ROOT, folder / "source", ignore=_LEFT)
    script = folder / "source" / "release" / "dist.py"
    command = [sys.executable, str(script), "--no-isolation", "--no-sbom", "-o", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.mark.slow
def test_sdist_holds_what_it_needs_to_build_and_test_itself(made: Path) -> None:
    (sdist,) = made.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        members = archive.getmembers()
    assert [member.name for member in members] == sorted(member.name for member in members)
    assert {(member.mtime, member.uid, member.uname) for member in members} == {(members[0].mtime, 0, "")}
    names = {member.name.partition("/")[2] for member in members if member.isfile()}
    source = made / "source"
    tree = {path.relative_to(source).as_posix() for path in (source / "tests").rglob("*.py")}
    tree |= {path.relative_to(source).as_posix() for path in source.glob("models/*/*")}
    tree |= {"Makefile", "constraints.txt", "mkdocs.yml", "docs/reference.py", "docs/assets/first-look.webp"}
    tree |= {
        ".ci/run",
        "SECURITY.md",
        "CITATION.cff",
        "docker/cpu.Dockerfile",
        ".github/workflows/release.yml",
    }
    assert tree <= names, tree - names


def test_wheel_holds_every_module_and_model_and_the_cards(made: Path) -> None:
    source = made / "source"
    (wheel,) = made.glob("*.whl")
    archive = zipfile.ZipFile(wheel)
    cards = {name.partition("/licenses/")[2] for name in archive.namelist() if "/licenses/" in name}
    assert cards == {
        "LICENSE",
        *(f"models/{path.parent.name}/CARD.md" for path in ROOT.glob("models/*/CARD.md")),
    }
    for path in ROOT.glob("models/*/CARD.md"):
        assert "data" in path.read_text().lower() and "research" in path.read_text().lower()
    names = {name for name in archive.namelist() if ".dist-info/" not in name}
    (metadata,) = (archive.read(name).decode() for name in archive.namelist() if name.endswith("/METADATA"))
    assert f"\nVersion: {__version__}\n" in metadata and "\nAuthor: unit-edge contributors\n" in metadata
    expected = set()
    for folder in FOLDERS:
        prefix = "" if folder == "unit_edge" else "unit_edge/"
        for path in (source / folder).rglob("*"):
            if path.suffix in {".py", ".onnx", ".json", ".toml", ".typed", *PAGE}:
                expected.add(prefix + path.relative_to(source).as_posix())
    assert names == expected


@pytest.mark.slow
def test_a_boards_wheel_holds_every_module_and_installs(tmp_path: Path) -> None:
    wheel = write_own_wheel(tmp_path)
    assert write_own_wheel(tmp_path).read_bytes() == wheel.read_bytes()
    archive = zipfile.ZipFile(wheel)
    names = archive.namelist()
    expected = {
        ("" if folder == "unit_edge" else "unit_edge/") + path.relative_to(ROOT).as_posix()
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".py", ".toml", ".typed", *PAGE}
    }
    assert {name for name in names if ".dist-info/" not in name} == expected
    (record,) = (name for name in names if name.endswith("/RECORD"))
    rows = list(csv.reader(io.StringIO(archive.read(record).decode())))
    assert sorted(row[0] for row in rows) == sorted(names) == sorted(set(names))
    for name, digest, size in rows:
        if name != record:
            content = archive.read(name)
            encoded = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
            assert (digest, size) == (f"sha256={encoded}", str(len(content)))
    (metadata,) = (archive.read(name).decode() for name in names if name.endswith("/METADATA"))
    assert f"\nVersion: {__version__}+board\n" in metadata and "\nRequires-Dist: typer" in metadata
    target = tmp_path / "target"
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--no-deps",
        "--no-index",
        "--target",
        str(target),
        str(wheel),
    ]
    subprocess.run(command, check=True, capture_output=True)
    code = "import unit_edge.cli as cli; print(cli.__file__); cli.main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--version"],
        env={**os.environ, "PYTHONPATH": str(target)},
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.stdout.splitlines() == [str(target / "unit_edge/cli/__init__.py"), f"unit-edge {__version__}"]
    assert (target / "bin/unit-edge").is_file()
    assert list(target.glob("*.dist-info/licenses/LICENSE"))
