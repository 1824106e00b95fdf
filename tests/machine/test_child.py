"""Processes of our own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from unit_edge.machine.child import python_command

ROOT = Path(__file__).parents[2]


def test_modules_of_the_folder_that_one_is_in_are_not_run(tmp_path: Path) -> None:
    for name in ("numpy", "cv2", "json", "unit_edge"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(77)\n")
    command = python_command("unit_edge.runtime.serve.uploads.worker")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONSAFEPATH"}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, input=b"{}\n", capture_output=True, timeout=120, check=False
    )
    assert done.returncode != 77, done.stderr
    command = [sys.executable, "-c", command[2].partition("from ")[0] + "import numpy; print(numpy.__file__)"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, timeout=120, check=True
    )
    assert str(tmp_path) not in done.stdout.decode()
