"""A first training of one's own: from two folders to a model, by what each command says to do next."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import cv2
import numpy as np
import pytest
from commands import cli

from unit_edge.settings import load_config

torch = pytest.importorskip("torch")
tomllib = pytest.importorskip("tomllib", reason="Python 3.11")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder whose DATA holds twelve pictures of two domains."""
    rng = np.random.default_rng(0)
    for name, low in (("day", 120), ("night", 0)):
        (tmp_path / "DATA" / name).mkdir(parents=True)
        for index in range(12):
            small = rng.integers(low, low + 120, (6, 8, 3)).astype(np.uint8)
            picture = cv2.resize(small, (96, 72), interpolation=cv2.INTER_CUBIC)
            assert cv2.imwrite(str(tmp_path / "DATA" / name / f"{index}.png"), picture)
    monkeypatch.delenv("UNIT_EDGE_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def followed(output: str) -> list[list[str]]:
    """The commands that an output says come next."""
    start = output.index("next: ") + len("next: ")
    return [shlex.split(line)[1:] for line in output[start:].splitlines() if line.strip()]


def tutorial() -> list[list[str]]:
    """The commands of docs/tutorial/own-model.md that are marked to be run."""
    page = (Path(__file__).parents[2] / "docs" / "tutorial" / "own-model.md").read_text()
    blocks = re.findall(r"<!-- run -->\n```\n(.*?)```", page, re.DOTALL)
    return [shlex.split(line)[1:] for block in blocks for line in block.splitlines()]


@pytest.mark.slow
def test_the_tutorial_to_the_letter(here: Path) -> None:
    """From two folders to a verified model; only the number of steps isn't what init wrote."""
    init, train, evaluate, export, verify = tutorial()
    code, output, errors = cli(*init)
    assert code == 0, errors
    text = (here / "my.toml").read_text()
    assert len(text.splitlines()) <= 40
    assert "day: 7 pictures to train on, 4 held out; 96x72" in output
    assert "measured" in output and "measured" in text and "steps of" in text
    assert "is little" in errors
    assert followed(output) == [train]
    text = re.sub(
        r"^(warmup_)?steps = \d+", lambda found: f"{found[1] or ''}steps = 2", text, flags=re.MULTILINE
    )
    (here / "my.toml").write_text(re.sub(r"^evaluate_every = .*\n", "", text, flags=re.MULTILINE))
    code, output, errors = cli(*train)
    assert code == 0, errors
    assert "runs/my/weights.safetensors: the networks" in output and "contact-sheet.png" in output
    assert followed(output) == [evaluate, ["export", "runs/my", "--to", "night", "-o", "my-night.onnx"]]
    sample = cv2.imread(str(next((here / "runs/my/samples").iterdir())))
    assert sample[:20].max() > 200 and (sample[0] == 0).all()  # titles, white on black
    if os.name == "posix":
        modes = {path.stat().st_mode & 0o777 for path in (here / "runs/my").rglob("*") if path.is_file()}
        assert modes == {(here / "my.toml").stat().st_mode & 0o777}
    code, output, errors = cli(*export)
    assert code == 0 and output.startswith("my-night.onnx: "), errors
    code, _, errors = cli(*export)
    assert code == 1 and "my-night.onnx: exists already; add --overwrite" in errors
    code, output, errors = cli(*verify, "--layers")
    assert code == 0, errors
    assert output.splitlines()[0].split()[:2] == ["layer", "difference"]
    code, output, errors = cli(*evaluate)
    assert code == 0 and "my-evaluation: evaluation.json" in output, errors


def test_what_other_programs_took_of_the_time_is_said(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from unit_edge.train.bench import step_time

    half_of_it = step_time.time.perf_counter
    monkeypatch.setattr(step_time.time, "thread_time", lambda: half_of_it() / 2)
    code, output, errors = cli("init", "day", "night", "--data", "DATA", "-o", "my.toml")
    assert code == 0, errors
    assert "other programs had the processor for 50 % of that, so about" in output
    assert "without them" in (here / "my.toml").read_text()
    quiet = step_time.StepTime(0.25, 0.1, None, "cpu", 1)
    assert "other programs" not in quiet.summary(load_config(here / "my.toml"))


@pytest.mark.parametrize(("step_s", "hours"), [(8.0, None), (0.1, None), (8.0, "3"), (8.0, "0.1")])
def test_a_run_longer_than_an_afternoon_says_how_to_shorten_it(
    monkeypatch: pytest.MonkeyPatch, step_s: float, hours: str | None
) -> None:
    from unit_edge.train.bench import step_time

    measured = step_time.StepTime(step_s, step_s / 4, None, "cpu", 1)
    monkeypatch.setattr(step_time, "measure_steps", lambda *_: measured)
    code, output, errors = cli(
        "init", "day", "night", "--data", "DATA", *(["--hours", hours] if hours else [])
    )
    assert code == 0, errors
    assert ("--hours 3" in errors) == (step_s == 8.0 and hours is None)
    assert ("fewer than 300 steps make no model" in errors) == (hours == "0.1")
    if hours == "3":
        assert "about 3 h" in output or "about 2 h" in output


def test_resume_remembers_the_data_or_says_what_to_say(here: Path) -> None:
    cli("configs", "day-night", "-o", "my.toml")
    tiny = [
        "network.front=[4,6,8]",
        "network.residual_width=8",
        "data.crop=[64,64]",
        "data.short_side=[64,72]",
    ]
    tiny += ["domain1.paths=['day']", "domain2.paths=['night']", "network.feature_discriminator=none"]
    tiny += ["loss.feature_gan=0", "optim.steps=1", "optim.warmup_steps=0", "log.evaluate_every=0"]
    settings = [part for one in tiny for part in ("--set", one)]
    code, _, errors = cli("train", "my.toml", "--data", "DATA", *settings)
    assert code == 0, errors
    code, _, errors = cli("train", "--run", "runs/my", "--resume", "--set", "optim.steps=2")
    assert code == 0, errors
    (here / "DATA").rename(here / "moved")
    code, _, errors = cli("train", "--run", "runs/my", "--resume", "--set", "optim.steps=3")
    assert code == 1 and "no such folder" in errors and "say --data DIR" in errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("day", "day"), "both domains are called day"),
        (("day", "dusk"), "no such folder or file"),
        (("day", "night", "-o", "no/my.toml"), "there is no folder no; make it first"),
        (("day", "night", "-o", "there.toml"), "exists already; add --overwrite"),
    ],
)
def test_what_cant_be_is_said_in_a_line_and_writes_nothing(
    here: Path, arguments: tuple[str, ...], message: str
) -> None:
    (here / "there.toml").write_text("precious")
    code, _, errors = cli("init", *arguments, "--data", "DATA")
    assert message in errors
    assert code == 1 and errors.strip().splitlines()[-1].startswith("error: ")
    assert [path.name for path in here.glob("*.toml")] == ["there.toml"]
    assert (here / "there.toml").read_text() == "precious"


def test_configs_lists_shows_and_copies(here: Path) -> None:
    code, output, _ = cli("configs")
    shipped = sorted(path.stem for path in (Path(__file__).parents[2] / "train/configs").glob("*.toml"))
    assert code == 0 and [line.split()[0] for line in output.splitlines()] == shipped
    assert tomllib.loads(cli("configs", "bdd-day-night")[1])["preset"] == "edge-s"
    assert cli("configs", "bdd-day-night", "-o", "my.toml")[0] == 0
    assert tomllib.loads((here / "my.toml").read_text())["domain1"]["paths"] == ["bdd-day"]
    code, _, errors = cli("configs", "bdd-day-night", "-o", "my.toml")
    assert code == 1 and "--overwrite" in errors
    code, _, errors = cli("configs", "bdd-day-nihgt")
    assert code == 1 and "did you mean bdd-day-night" in errors


def test_a_dry_run_refuses_what_training_refuses_and_counts_what_it_skips(here: Path) -> None:
    cli("configs", "day-night", "-o", "my.toml")
    base = ["domain1.paths=['day']", "domain2.paths=['night']", "network.feature_discriminator=none"]
    base += ["loss.feature_gan=0", "log.evaluate_every=0"]
    settings = [part for one in base for part in ("--set", one)]
    code, _, errors = cli("train", "my.toml", "--data", "DATA", "--dry-run", *settings)
    assert code == 1 and "11 of 11 pictures are smaller than the crop of 128x128" in errors
    assert errors.count("skipped") <= 3 and errors.splitlines()[-1].startswith("error: domain day")
    for index in range(9):
        path = str(here / "DATA/day" / f"{index}.png")
        assert cv2.imwrite(path, cv2.resize(cv2.imread(path), (200, 150)))
    for path in (here / "DATA/night").iterdir():
        assert cv2.imwrite(str(path), cv2.resize(cv2.imread(str(path)), (200, 150)))
    assert "above data.short_side" not in errors
    settings += ["--set", "data.short_side=[90,100]"]
    code, output, errors = cli("train", "my.toml", "--data", "DATA", "--dry-run", *settings)
    assert code == 0, errors
    assert "2 of 11 pictures are smaller" in errors
    assert "data.crop 128x128 is above data.short_side 100" in errors
    assert "about " in output.splitlines()[-1] and "steps of" in output.splitlines()[-1]
