"""What the fuzzer changes is good before, or it would never get past the first look."""

from __future__ import annotations

import copy
import importlib
import json
from pathlib import Path
from typing import Any

import pytest
from commands import cli

pytest.importorskip("onnx")


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(Path(__file__).parent)
    return importlib.import_module("kept")


def test_the_models_engines_and_bundles_are_good(kept: Any, tmp_path: Path) -> None:
    from unit_edge.manifests.model import Manifest

    kept.model(tmp_path / "model.onnx")
    kept.engine(tmp_path / "e.engine", Manifest.read(tmp_path / "model.json"))
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "bundle.json").write_text(json.dumps(kept.BUNDLE))
    for path in (tmp_path / "model.onnx", tmp_path / "e.engine", bundle, bundle / "bundle.json"):
        code, _, err = cli("inspect", path)
        assert (code, err) == (0, ""), path


@pytest.mark.parametrize("name", ["/etc/hostname", "../model.onnx", "a/model.onnx", "..", ""])
def test_a_bundle_has_no_file_looked_at_that_is_none_of_its_own(kept: Any, tmp_path: Path, name: str) -> None:
    about = copy.deepcopy(kept.BUNDLE)
    about["models"][0]["file"] = name
    (tmp_path / "bundle.json").write_text(json.dumps(about))
    code, out, err = cli("inspect", tmp_path)
    assert (code, out) == (1, "") and "expected a name in its folder" in err and err.count("\n") == 1
