"""No command asks a name server for anything, or leaves a file in the user's home."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from digit_sets import THIN_TO_THICK, make_data
from tiny_training import NETWORK_AND_DATA, write_dark_and_bright

from unit_edge.cli.app import app
from unit_edge.registry import bundled_models

SCRIPT = Path(__file__).with_name("own_name_server.py")
HELPERS = Path(__file__).parents[1] / "runtime" / "helpers"
MAIN = [sys.executable, "-m", "unit_edge.cli"]
_AT_MOST_S = 280
OWN_CACHE = ".cache/unit-edge/"  # frames of training videos
NOT_RUN = {
    "build": "needs TensorRT",
    "fleet": "has a test of its own",
}
SERVE_FOR_A_MOMENT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from serve_server import Server
with Server(*sys.argv[2:4], cwd=Path(sys.argv[4])) as server:
    assert server.ask("/")[0] == 200 and server.state()["model"]
"""
DOMAINS = """
[domain1]
name = "day"
paths = ["{clip}"]
[domain2]
name = "night"
paths = ["{clip}"]
"""
ADAPTATION = f"{THIN_TO_THICK}[optim]\nsteps = 1\nbatch = 4\n"
TRAINING = f"{NETWORK_AND_DATA}[optim]\nsteps = 1\n"


def namespaces() -> bool:
    tried = ["unshare", "-rmn", "true"]
    return shutil.which("unshare") is not None and subprocess.run(tried, capture_output=True).returncode == 0


def watched(folder: Path, commands: list[list[str]]) -> tuple[list[str], list[str]]:
    """What is asked for, and what is in HOME, when commands have ended well."""
    home, log, listed = folder / "home", folder / "asked", folder / "commands.json"
    home.mkdir()
    log.touch()
    listed.write_text(json.dumps(commands))
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "PYTHON"))}
    done = subprocess.run(
        ["unshare", "-rmn", sys.executable, SCRIPT, log, listed],
        env={**environment, "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=_AT_MOST_S,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(commands), done.stderr
    for command, (code, said) in zip(commands, answers, strict=True):
        assert code == 0, (command, said)
    left = [path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()]
    return log.read_text().split(), left


@pytest.mark.skipif(not namespaces(), reason="needs namespaces of one's own (unshare)")
def test_the_test_would_see_a_look_up_and_a_file(tmp_path: Path) -> None:
    code = """
import pathlib, socket
(pathlib.Path.home() / "id").touch()
try: socket.getaddrinfo("a.example", 80)
except OSError: pass
"""
    asked, files = watched(tmp_path, [[sys.executable, "-c", code]])
    assert "a.example" in asked
    assert files == ["id"]


@pytest.mark.slow
@pytest.mark.skipif(not namespaces(), reason="needs namespaces of one's own (unshare)")
def test_no_command_looks_anything_up_or_leaves_a_file(
    write_clip: Callable[..., Path], tmp_path: Path
) -> None:
    pytest.importorskip("openvino")
    model = bundled_models()[0][0].stem
    clip = str(write_clip(frames=12, fps=1))
    run, onnx = str(tmp_path / "run"), str(tmp_path / "own.onnx")
    digits = str(tmp_path / "digits")
    make_data(tmp_path)
    (tmp_path / "digits.toml").write_text(ADAPTATION)
    (tmp_path / "my.toml").write_text(DOMAINS.format(clip=clip) + TRAINING)
    commands = {
        "doctor": ["--timeout", "120"],
        "models": [],
        "info": [model],
        "inspect": [model],
        "boards": [],
        "translate": [clip, "--model", model, "-o", str(tmp_path / "a.mp4"), "--backend", "openvino"],
        "check": [clip, str(tmp_path / "a.mp4"), "--plates", "-o", str(tmp_path / "check")],
        "sheet": [clip, str(tmp_path / "a.mp4"), str(tmp_path / "a.png"), "-n", "2"],
        "bench": [model, "--backend", "openvino", "--size", "64x48", "--frames", "3", "--no-peak"],
        "train": [str(tmp_path / "my.toml"), "--run", run],
        "export": [run, "--to", "night", "--detail", "none", "-o", onnx],
        "verify": [onnx, "--against", run],
        "adapt": [str(tmp_path / "digits.toml"), "--run", digits, "--data", str(tmp_path)],
        "accuracy": [digits, str(tmp_path / "thick" / "test.npz")],
        "configs": [],
        "evaluate": [model, "--clip", clip, "--frames", "6", "-o", str(tmp_path / "evaluated")],
        "init": ["dark", "bright", "--data", str(tmp_path / "pictures"), "-o", str(tmp_path / "init.toml")],
    }
    write_dark_and_bright(tmp_path / "pictures", 12, (320, 180))
    serve = [sys.executable, "-c", SERVE_FOR_A_MOMENT, str(HELPERS), clip, f"--model={model}", str(tmp_path)]
    known = {command.name or command.callback.__name__ for command in app.registered_commands}  # type: ignore[union-attr]
    assert known == {*commands, *NOT_RUN, "serve"}
    lines = [[*MAIN, name, *given] for name, given in commands.items()]
    asked, files = watched(tmp_path, [*lines, serve])
    assert asked == []
    assert [file for file in files if not file.startswith(OWN_CACHE)] == []


@pytest.mark.slow
@pytest.mark.skipif(not namespaces(), reason="needs namespaces of one's own (unshare)")
@pytest.mark.skipif(find_spec("ray") is None, reason="needs the fleet extra")  # imported, it is the process's
def test_a_fleet_of_this_machine_looks_nothing_up_and_leaves_no_token(
    write_clip: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "clips").mkdir()
    shutil.copy(write_clip(frames=6, fps=5), tmp_path / "clips" / "a.mp4")
    out = tmp_path / "out"
    asked, files = watched(
        tmp_path, [[*MAIN, "fleet", str(tmp_path / "clips"), str(out), "--to", "night", "--workers", "1"]]
    )
    assert (out / "a.mp4").is_file()
    assert (asked, [file for file in files if not file.startswith(OWN_CACHE)]) == ([], [])


def test_openvino_is_imported_in_one_place() -> None:
    root = Path(__file__).parents[2]
    plain = re.compile(r"^\s*(?:import|from)\s+openvino\b|import_module\(\"openvino\"\)", re.MULTILINE)
    found = [
        path.relative_to(root).as_posix()
        for folder in ("unit_edge", "train", "export", "runtime")
        for path in (root / folder).rglob("*.py")
        if plain.search(path.read_text())
    ]
    assert found == ["runtime/backends/openvino/module.py"]
