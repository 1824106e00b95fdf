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
import zipfile
from pathlib import Path

from unit_edge import __version__
from unit_edge.export.bundle.own_wheel import write_own_wheel

ROOT = Path(__file__).parents[1]
FOLDERS = ("unit_edge", "train", "export", "runtime")
PAGE = {".html", ".css", ".js", ".svg"}


def test_wheel_holds_every_module_and_model(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), "."]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    expected = set()
    for folder in FOLDERS:
        prefix = "" if folder == "unit_edge" else "unit_edge/"
        for path in (source / folder).rglob("*"):
            if path.suffix in {".py", ".onnx", ".json", ".toml", ".typed", *PAGE}:
                expected.add(prefix + path.relative_to(source).as_posix())
    assert names == expected


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
