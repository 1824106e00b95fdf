"""Runs that are kept with their discriminators: another run of their settings begins with all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from unit_edge.train.discriminators.adversaries import Adversaries
from unit_edge.train.run.checkpoint import load_run_config
from unit_edge.train.run.discriminators import DISCRIMINATORS, load_discriminators
from unit_edge.train.state import FROZEN

ROOT = Path(__file__).resolve().parents[3]
KEPT = sorted(path.parent for path in (ROOT / "models").glob(f"*/{DISCRIMINATORS}"))


@pytest.mark.parametrize("run", KEPT, ids=lambda run: run.name)
def test_a_kept_run_has_all_that_its_discriminators_have_learnt(run: Path) -> None:
    pytest.importorskip("efficientnet_lite_pytorch", reason='needs pip install "unit-edge[imagenet]"')
    expected = Adversaries(load_run_config(run)).state_dict()
    shapes = {name: value.shape for name, value in expected.items() if not name.startswith(FROZEN)}
    assert {name: value.shape for name, value in load_discriminators(run).items()} == shapes
