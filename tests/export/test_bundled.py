"""The models in the package against the runs that are kept in the repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from unit_edge.export.verify import verify_file
from unit_edge.manifests.model import Manifest
from unit_edge.registry import bundled_models

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
