"""Pieces of a GPU's time (docs/experiments/speed/gpu.py), with commands that take a known time."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Any:
    spec = importlib.util.spec_from_file_location(
        "gpu_session", ROOT / "docs" / "experiments" / "speed" / "gpu.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "gpu_session", module)  # dataclasses look their module up
    spec.loader.exec_module(module)
    module.LEAVE_S = 1
    return module


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


COUNTING = """
import pathlib, signal, sys, time
file = pathlib.Path({file!r})
count = int(file.read_text()) if file.exists() else 0
def stop(*_):
    file.write_text(str(count))
    sys.exit(143)
signal.signal(signal.SIGTERM, stop)
while count < {steps}:
    time.sleep(0.02)
    count += 1
file.write_text(str(count))
"""


def test_a_training_goes_on_in_the_next_piece_and_the_rest_is_run_once(gpu: Any, tmp_path: Path) -> None:
    counter, marks = tmp_path / "count", tmp_path / "marks"
    training = python(COUNTING.format(file=str(counter), steps=300))
    measured = python(f"open({str(marks)!r}, 'a').write('x')")
    steps = [gpu.Step("train", training, training=True, again=training), gpu.Step("bench", measured)]
    assert gpu.run_piece(steps, tmp_path, 8, 0.5) is False
    reached = int(counter.read_text())
    assert 0 < reached < 300
    assert marks.read_text() == "x"
    pieces = 1
    while not gpu.run_piece(steps, tmp_path, 8, 0.5):
        pieces += 1
        assert pieces < 8
    assert counter.read_text() == "300"
    assert marks.read_text() == "x"
    state = json.loads((tmp_path / "state.json").read_text())
    assert state["train"]["status"] == state["bench"]["status"] == "done"
    assert state["train"]["codes"][0] == 143


def test_what_fails_is_named_and_holds_nobody_up(gpu: Any, tmp_path: Path) -> None:
    after = tmp_path / "after"
    steps = [
        gpu.Step("bad", python("print('why'); raise SystemExit(2)")),
        gpu.Step("after", python(f"open({str(after)!r}, 'w')")),
    ]
    assert gpu.run_piece(steps, tmp_path, 30, 0.5)
    state = json.loads((tmp_path / "state.json").read_text())
    assert state["bad"] == {**state["bad"], "status": "failed", "codes": [2]}
    assert after.exists()
    assert "why" in (tmp_path / "bad.log").read_text()


def test_what_hangs_is_given_up_after_some_tries(gpu: Any, tmp_path: Path) -> None:
    deaf = python("import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)")
    steps = [gpu.Step("deaf", deaf)]
    for _ in range(gpu.TRIES - 1):
        assert not gpu.run_piece(steps, tmp_path, 3.2, 0.5)
    assert gpu.run_piece(steps, tmp_path, 3.2, 0.5)
    assert json.loads((tmp_path / "state.json").read_text())["deaf"]["codes"] == [-9] * gpu.TRIES


def test_the_plan_names_what_exists(gpu: Any, tmp_path: Path) -> None:
    """Every option of the plan's commands is one that the commands have."""
    steps = gpu.plan(tmp_path, tmp_path, gpu.CONFIGS)
    assert all((ROOT / config).is_file() for config in gpu.CONFIGS)
    trained = [step.name for step in steps if step.training]
    assert trained == [f"train-{Path(config).stem}" for config in gpu.CONFIGS]
    assert steps[len(trained)].name == "tests"
    from typer.testing import CliRunner

    from unit_edge.cli.app import app

    helps = {name: CliRunner().invoke(app, [name, "--help"]).stdout for name in ("train", "bench")}
    for step in steps:
        words = [*step.command, *step.again]
        for name, text in helps.items():
            if name in step.command[3:4]:
                assert all(word in text for word in words if word.startswith("--")), step.name
