"""A short run of `make fuzz`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("openvino")


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1])
def test_hostile_inputs_end_in_one_line_each(seed: int, tmp_path: Path) -> None:
    fuzzer = Path(__file__).with_name("fuzz.py")
    command = [sys.executable, fuzzer, "--inputs", "285", "--seed", str(seed), "--keep", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"seed {seed}: 285 inputs" in done.stdout
