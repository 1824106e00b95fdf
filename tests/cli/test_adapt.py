"""`unit-edge adapt` and `accuracy`, and the other commands on what they make, as a user gives them."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from commands import cli

pytest.importorskip("torch")
from digit_sets import THIN_TO_THICK, make_data

SETTINGS = f"""
preset = "digits"
{THIN_TO_THICK}
[optim]
steps = 3
batch = 4
[log]
tensorboard = false
"""
CONFIGS = sorted((Path(__file__).parents[2] / "train/configs").glob("*-to-*.toml"))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_data(tmp_path)
    (tmp_path / "my.toml").write_text(SETTINGS)
    monkeypatch.delenv("UNIT_EDGE_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_adapt_export_verify_and_measure(here: Path) -> None:
    code, out, err = cli("adapt", "my.toml", "--device", "cpu")
    assert code == 0, err
    result = json.loads(out.splitlines()[-1])
    assert result["images"] == 20 and len(result["by_digit"]) == 10
    assert json.loads((here / "runs/my/accuracy.json").read_text()) == result
    code, out, err = cli("accuracy", "runs/my", "thick/test.npz")
    assert code == 0 and json.loads(out.splitlines()[-1]) == result
    code, out, err = cli("export", "runs/my", "--to", "digit", "-o", "digit.onnx")
    assert code == 0 and "probabilities differ by at most" in out, err
    code, out, err = cli("verify", "digit.onnx", "--against", "runs/my")
    assert code == 0 and "probabilities differ by at most" in out, err
    code, out, err = cli("accuracy", "digit.onnx", "thick/test.npz")
    assert code == 0 and json.loads(out.splitlines()[-1]) == result, err
    code, _, err = cli("info", "digit.onnx")
    assert code != 0 and "is a classifier, which `unit-edge accuracy` runs" in err
    code, out, err = cli("export", "runs/my", "--to", "thin", "-o", "thin.onnx")
    assert code == 0, err
    code, out, err = cli("inspect", "runs/my")
    assert code == 0 and "thin with labels, thick without" in out, err
    frame = np.full((32, 32, 3), 128, np.uint8)
    assert cv2.imwrite("frame.png", frame)
    code, out, err = cli("translate", "frame.png", "--model", "thin.onnx", "-o", "out.png")
    assert code == 0, err
    assert cv2.imread("out.png").shape == (32, 32, 3)


def test_resume_and_source_only(here: Path) -> None:
    code, _, err = cli("adapt", "my.toml", "--device", "cpu", "--source-only", "--run", "runs/plain")
    assert code == 0, err
    code, _, err = cli("adapt", "--run", "runs/plain", "--resume", "--set", "optim.steps=5")
    assert code == 0, err
    assert (here / "runs/plain/checkpoints/step-0000005").is_dir()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("adapt",), "say what to adapt"),
        (("adapt", "my.toml", "--set", "network.widht=3"), "unknown key network.widht; did you mean"),
        (("adapt", "my.toml", "--set", "loss.gan=0"), "loss.gan = 0.0, expected above 0"),
        (("adapt", "my.toml", "--set", "speed.precision=fp16"), "expected fp32 or bf16 in adapt"),
        (("train", "my.toml"), "preset = 'digits' is for `unit-edge adapt`"),
        (("adapt", "my.toml", "--data", "nowhere"), "thin/train.npz: no such file"),
        (("accuracy", "nowhere", "thick/test.npz"), "expected what `unit-edge adapt` wrote"),
        (("accuracy", "nowhere.onnx", "thick/test.npz"), "manifest is missing"),
    ],
)
def test_mistakes_are_one_line(arguments: tuple[str, ...], message: str, here: Path) -> None:
    code, _, err = cli(*arguments)
    assert code == 1 and message in err and err.startswith("error: ") and err.count("\n") == 1
    assert not (here / "runs").exists()


def test_options_for_videos_are_refused(here: Path) -> None:
    assert cli("adapt", "my.toml", "--device", "cpu")[0] == 0
    code, _, err = cli("export", "runs/my", "--to", "digit", "--precision", "int8", "--frame-size", "64x64")
    assert code == 1 and "leave out --precision, --frame-size" in err
    for command in (("evaluate", "runs/my"), ("train", "--run", "runs/my", "--resume")):
        code, _, err = cli(*command)
        assert code == 1 and "is a run of `unit-edge adapt`" in err


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_configs_are_valid(path: Path) -> None:
    from unit_edge.settings import load_adapt_config

    config = load_adapt_config(path, [])
    assert path.stem == f"{config.source.name}-to-{config.target.name}"
