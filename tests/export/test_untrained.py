"""Presets can be timed before anybody has trained them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train and export extras")
pytest.importorskip("onnx", reason="needs the train and export extras")

from unit_edge.export.untrained import main  # noqa: E402
from unit_edge.runtime.backends.open import open_runner, read_model  # noqa: E402


def test_an_untrained_preset_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["edge-s", "--size", "96x64", "-o", str(tmp_path / "made")])
    model = tmp_path / "made" / "edge-s.onnx"
    assert capsys.readouterr().out == f"{model}\n"
    manifest = read_model(model)
    assert (manifest.preset, manifest.frame_size, manifest.detail) == ("edge-s", (96, 64), "none")
    assert manifest.costs is not None and manifest.costs.for_size((96, 64)) is not None
    with open_runner(model, "onnxruntime") as runner:
        assert runner.infer(np.zeros((1, 64, 96, 3), np.uint8)).shape == (1, 64, 96, 3)
