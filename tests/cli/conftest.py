"""What the tests of several commands need."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_detectors import bright_detector


@pytest.fixture
def bright(tmp_path: Path) -> Path:
    """See `fake_detectors.bright_detector`."""
    return bright_detector(tmp_path / "bright.onnx")
