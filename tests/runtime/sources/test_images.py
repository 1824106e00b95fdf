"""Pictures in: whole or not at all, and none is left out in silence."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from doubles import files_in, picture

from unit_edge.errors import SourceError, TruncatedError
from unit_edge.media.images import read_image
from unit_edge.runtime.sinks.images import write_image
from unit_edge.runtime.sources.images import ImageSource


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".jpg", ".JPG", ".webp"])
def test_pictures_come_back(tmp_path: Path, suffix: str) -> None:
    image = cv2.GaussianBlur(
        np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8), (0, 0), 3
    )
    write_image(tmp_path / f"ä{suffix}", image)
    back = read_image(tmp_path / f"ä{suffix}")
    exact = suffix in (".png", ".bmp", ".tif")
    assert np.abs(back.astype(int) - image).mean() <= (0 if exact else 2)
    assert files_in(tmp_path) == {f"ä{suffix}"}


def test_grey_and_transparent_pictures_become_bgr(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((8, 9), 77, np.uint8))
    cv2.imwrite(str(tmp_path / "clear.png"), np.full((8, 9, 4), 77, np.uint8))
    for name in ("grey.png", "clear.png"):
        image = read_image(tmp_path / name)
        assert image.shape == (8, 9, 3) and (image == (77 if name == "grey.png" else 23)).all(), "over black"


def test_what_is_no_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.jpg").write_text("hello")
    write_image(tmp_path / "cut.png", picture(3, (200, 100)))
    whole = (tmp_path / "cut.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    for name in ("empty.png", "text.jpg", "cut.png", "missing.png"):
        with pytest.raises(SourceError, match=name), ImageSource(tmp_path / name):
            pass


def test_a_folder_in_the_order_of_its_names(tmp_path: Path) -> None:
    for index in (2, 0, 1):
        write_image(tmp_path / f"{index}.png", picture(index, (20 + index, 10)))
    (tmp_path / "notes.txt").write_text("not a picture")
    with ImageSource(tmp_path) as source:
        assert source.info.frame_count == 3
        frames = list(source)
    assert [int(frame.image[0, 0, 0]) for frame in frames] == [0, 1, 2]
    assert [frame.image.shape[1] for frame in frames] == [20, 21, 22]


def test_bad_pictures_are_counted_and_named_after_the_good_ones(tmp_path: Path) -> None:
    for index in range(4):
        write_image(tmp_path / f"{index}.png", picture(index))
    (tmp_path / "0.png").write_bytes(b"bad")
    (tmp_path / "2.png").write_bytes(b"bad")
    frames = []
    with pytest.raises(TruncatedError) as caught, ImageSource(tmp_path) as source:
        for frame in source:
            frames.append(frame)
    assert [frame.index for frame in frames] == [1, 3]
    assert "2 of 4 images" in str(caught.value)
    assert "0.png" in str(caught.value) and "2.png" in str(caught.value)


def test_folders_without_pictures(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no images in this folder"), ImageSource(tmp_path):
        pass
    (tmp_path / "0.png").write_bytes(b"bad")
    (tmp_path / "1.png").write_bytes(b"bad")
    with pytest.raises(SourceError, match="none of its 2 images"), ImageSource(tmp_path):
        pass
