"""The page's example for Ray Train: two processes on gloo learn what torchrun's two learn, bit for bit."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pytest
from safetensors.torch import load_file
from tiny_training import DARK_AND_BRIGHT, NETWORK_AND_DATA, write_dark_and_bright

torch = pytest.importorskip("torch")
PAGE = Path(__file__).parents[2] / "docs" / "training.md"
SETTINGS = f"""{DARK_AND_BRIGHT}{NETWORK_AND_DATA}validation = 0.2
[optim]
steps = 3
batch = 2
[log]
tensorboard = false
"""
PROGRAM = """
import sys
from unit_edge.runtime.fleet.cluster import joined
{example}
with joined(None, cpus=3):  # on loopback
    train_on_ray(*sys.argv[1:])
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(None in map(find_spec, ("ray", "pyarrow")), reason="needs ray[train]")
def test_ray_train_learns_what_torchrun_learns(tmp_path: Path) -> None:
    write_dark_and_bright(tmp_path, 5)
    settings = tmp_path / "my.toml"
    settings.write_text(SETTINGS)
    block = next(
        block
        for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
        if "def train_on_ray" in block
    )
    on_ray, plain = tmp_path / "runs" / "ray-run", tmp_path / "runs" / "torchrun"
    with tempfile.TemporaryDirectory(prefix="ue-") as short:  # for sockets are in it
        commands = (
            [sys.executable, "-c", PROGRAM.format(example=block), settings, on_ray, tmp_path],
            [
                *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
                *("-m", "unit_edge.cli", "train", settings, "--data", tmp_path, "--run-dir", plain),
                *("--device", "cpu"),
            ],
        )
        for command in commands:
            done = subprocess.run(
                command,
                cwd=tmp_path,
                env={**os.environ, "TMPDIR": short, "OMP_NUM_THREADS": "1", "RAY_worker_niceness": "0"},
                capture_output=True,
                text=True,
                timeout=240,
            )
            assert done.returncode == 0, done.stderr[-3000:]
    mine, theirs = (load_file(run / "weights.safetensors") for run in (on_ray, plain))
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)
