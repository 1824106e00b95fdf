"""What the tests of several commands need."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_detectors import bright_detector
from labelled_sets import write_coco


@pytest.fixture
def bright(tmp_path: Path) -> Path:
    """See `fake_detectors.bright_detector`."""
    return bright_detector(tmp_path / "bright.onnx")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the current one."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def coco(here: Path) -> Path:
    """See `labelled_sets.write_coco`."""
    return write_coco(here)
