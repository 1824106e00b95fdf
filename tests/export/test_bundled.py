"""The models in the package against the runs that are kept in the repository."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from unit_edge.export.verify import verify_file
from unit_edge.manifests.model import Manifest
from unit_edge.registry import bundled_models
from unit_edge.train.run.checkpoint import load_run_config

RUNS = Path(__file__).parents[2] / "models"
BUNDLED = bundled_models()


def test_both_directions_of_every_run_are_bundled() -> None:
    given = {(manifest.source, manifest.target) for _, manifest in BUNDLED}
    pairs = [("day", "night"), ("clear", "snow"), ("clear", "rain")]
    assert given == {pair for a, b in pairs for pair in ((a, b), (b, a))}


@pytest.mark.parametrize(("model", "manifest"), BUNDLED, ids=[m.name for _, m in BUNDLED])
def test_a_bundled_model_computes_what_its_run_does(model: Path, manifest: Manifest) -> None:
    assert model.stat().st_size <= 5_000_000
    report = verify_file(model, RUNS / manifest.made_from["run"])
    assert report.max_levels <= 1


@pytest.mark.parametrize("manifest", [m for _, m in BUNDLED], ids=[m.name for _, m in BUNDLED])
def test_a_bundled_model_is_what_the_command_on_its_card_makes(manifest: Manifest) -> None:
    run = RUNS / manifest.made_from["run"]
    command = rf"^unit-edge export models/{run.name} --to {manifest.target}(?: --residual (\S+))?$"
    (given,) = re.findall(command, (run / "CARD.md").read_text(encoding="utf-8"), re.MULTILINE)
    residual = float(given) if given else load_run_config(run).detail.residual
    assert manifest.detail_settings["residual"] == residual
