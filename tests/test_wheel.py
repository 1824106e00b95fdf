"""What `pip install` gets: every module of every folder, the models, and nothing at the top level."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("unit_edge", "train", "export", "runtime")


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
            if path.suffix in {".py", ".onnx", ".json", ".toml", ".typed"}:
                expected.add(prefix + path.relative_to(source).as_posix())
    assert names == expected
