"""Images of a domain that are halves of files; what a file holds is tested in tests/media."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from unit_edge.errors import DataError
from unit_edge.train.data.decode import ImageItem, read_image


@pytest.mark.parametrize("width", [32, 31])
def test_halves(tmp_path: Path, width: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (24, width, 3), dtype=np.uint8)
    assert cv2.imwrite(str(tmp_path / "pair.png"), image)
    left, right = (read_image(ImageItem(tmp_path / "pair.png", half)) for half in ("left", "right"))
    assert np.array_equal(left, image[:, : width // 2])
    assert np.array_equal(right, image[:, -(width // 2) :])
    assert left.flags.c_contiguous and right.flags.c_contiguous


def test_one_column_has_no_halves(tmp_path: Path) -> None:
    assert cv2.imwrite(str(tmp_path / "thin.png"), np.zeros((24, 1, 3), np.uint8))
    with pytest.raises(DataError, match=r"thin\.png: .*1 pixel wide"):
        read_image(ImageItem(tmp_path / "thin.png", "left"))
