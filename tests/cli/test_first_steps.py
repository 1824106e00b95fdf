"""What a new user meets first says what to do next."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from unit_edge.cli.app import app

ROOT = Path(__file__).parents[2]


def said(*arguments: str | Path) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return done.stdout + done.stderr


def test_a_part_of_a_boards_name_offers_those_that_hold_it() -> None:
    text = said("boards", "--board", "nano")
    assert "did you mean" in text and "orin-nano-8gb" in text and "orin-nano-4gb" in text
    assert "did you mean" in said("boards", "--board", "orin-nnao")


def test_make_setup_ends_with_what_to_do_next() -> None:
    recipe = re.search(r"^setup:.*\n\t(.*)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None and "unit-edge translate" in recipe[1]


@pytest.mark.parametrize("path", ["train/configs/day-night.toml", "train/configs/mnist-to-usps.toml"])
def test_inspect_shows_settings_before_they_are_run(path: str) -> None:
    text = said("inspect", ROOT / path)
    assert text.startswith("kind ") and "settings for unit-edge" in text and "steps wanted" in text
    assert "{" not in text


def test_inspect_names_the_command_for_what_it_doesnt_show(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    (tmp_path / "b.json").write_text(json.dumps({"kind": "unit-edge benchmark", "schema": 1}))
    (tmp_path / "c.toml").write_text("[tool]\nname = 1\n")
    assert "unit-edge translate" in said("inspect", tmp_path / "a.mp4")
    assert "unit-edge bench --from" in said("inspect", tmp_path / "b.json")
    assert "expected settings" in said("inspect", tmp_path / "c.toml")
