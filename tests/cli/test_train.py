"""The train command as a user gives it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import cli
from tiny_training import DARK_AND_BRIGHT, NETWORK_AND_DATA, write_dark_and_bright

pytest.importorskip("torch")
from unit_edge.cli.train import show_what_is_there
from unit_edge.settings import load_config

SETTINGS = f"""{DARK_AND_BRIGHT}{NETWORK_AND_DATA}validation = 0.2
[optim]
steps = 2
[log]
print_every = 1
checkpoint_every = 2
tensorboard = false
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the images of two domains and my.toml, which is the current one."""
    write_dark_and_bright(tmp_path, 5)
    (tmp_path / "my.toml").write_text(SETTINGS)
    monkeypatch.delenv("UNIT_EDGE_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_train_resume_export(here: Path) -> None:
    assert cli("train", "my.toml")[0] == 0
    assert cli("train", "--run", "runs/my", "--resume", "--set", "optim.steps=4")[0] == 0
    log = [json.loads(line) for line in (here / "runs/my/log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in log] == [1, 2, 3, 4]
    code, output, _ = cli("export", "runs/my", "--to", "bright", "--detail", "none")
    assert code == 0
    assert "dark2bright-paper.onnx" in output


def test_a_dry_run_says_what_there_is_and_writes_nothing(here: Path) -> None:
    before = sorted(here.rglob("*"))
    code, output, _ = cli("train", "my.toml", "--dry-run", "--limit-ram", "77")
    assert code == 0
    assert "limit_ram_mib = 77" in output
    assert "dark" in output
    assert sorted(here.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "say what to train"),
        (("--run", "runs/none", "--resume"), "not a run"),
        (("my.toml", "--set", "optim.step=3"), "unknown key optim.step; did you mean optim.steps?"),
        (("my.toml", "--set", "optim.ema=1"), "optim.ema = 1.0, expected 0 or more, below 1"),
        (("my.toml", "--set", "data.crop=[64,64]"), "smaller than the crop of 64x64"),
        (
            ("my.toml", "--set", "network.discriminator=[4,4,4,4,4,4]"),
            "data.crop = (32, 32), expected a larger",
        ),
        (("my.toml", "--set", "domain1.paths=['none']"), "no such folder or file"),
        (("my.toml", "--set", "speed.accumulate=2"), "expected a divisor of optim.batch, 1"),
        (("my.toml", "--device", "tpu"), "device 'tpu', expected auto, cpu or cuda"),
    ],
)
def test_errors_are_one_line_before_any_training(
    here: Path, arguments: tuple[str, ...], message: str
) -> None:
    code, _, errors = cli("train", *arguments)
    assert code == 1
    last = errors.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert message in last
    assert not (here / "runs").exists()


@pytest.mark.parametrize("alone_from", [0.5, 1.0])
def test_the_end_names_the_weights_to_take(
    here: Path, alone_from: float, capsys: pytest.CaptureFixture[str]
) -> None:
    """What scored best may be from before a guide's last steps alone, which mend what scores don't see."""
    (here / "guided.toml").write_text(
        f'{SETTINGS}[guide]\nname = "night"\nsegmenter = "x.onnx"\nfeatures = 0\nalone_from = {alone_from}\n'
    )
    for name in ("weights", "best"):
        (here / f"{name}.safetensors").touch()
    show_what_is_there(load_config(here / "guided.toml"), here)
    shown = capsys.readouterr().out
    (export,) = (line for line in shown.splitlines() if "unit-edge export" in line)
    assert ("--best" in export) == (alone_from == 1.0)
    assert ("take these" in shown) == (alone_from == 0.5)
    assert (f"unit_edge.train.run.blend {here} -o {here}-blend" in shown) == (alone_from == 0.5)


def test_progress_in_a_log_is_lines() -> None:
    code, _, err = cli("train", "my.toml")
    assert code == 0 and "\r" not in err
    assert all(line.strip() for line in err.splitlines())
    assert sum("2/2" in line for line in err.splitlines()) == 1
