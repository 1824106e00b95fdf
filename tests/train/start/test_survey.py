"""What is said of folders of pictures before a training: each fault is planted, and must be named."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from unit_edge.config import DataConfig, DomainConfig
from unit_edge.errors import ConfigError
from unit_edge.train.start.recipe import choose
from unit_edge.train.start.survey import Survey, survey, warnings

SCENES = np.random.default_rng(0).uniform(0, 255, (200, 6, 8, 3)).astype(np.float32)


def scene(number: float) -> np.ndarray:
    """A picture of 96x72, between two scenes where the number is."""
    low, share = int(number), number % 1
    small = SCENES[low] * (1 - share) + SCENES[low + 1] * share
    return cv2.resize(small, (96, 72), interpolation=cv2.INTER_CUBIC).clip(0, 255).astype(np.uint8)


def folder(path: Path, numbers: list[float], name: str = "{:03}.png") -> None:
    path.mkdir(exist_ok=True)
    for index, number in enumerate(numbers):
        assert cv2.imwrite(str(path / name.format(index)), scene(number))


def look(root: Path, name: str) -> Survey:
    return survey(DomainConfig(name=name, paths=(name,)), root, DataConfig(validation=0.25))


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """Sixty pictures of each domain, no two of them alike."""
    folder(tmp_path / "day", list(range(60)))
    folder(tmp_path / "night", list(range(100, 160)))
    return tmp_path


def said(root: Path) -> list[str]:
    return list(warnings((look(root, "day"), look(root, "night"))))


def test_good_folders_have_their_counts_and_no_warning_but_of_number(two: Path) -> None:
    one = look(two, "day")
    assert one.summary() == "day: 44 pictures to train on, 15 held out; 96x72"
    assert (one.short_side, one.aspect) == (72, 96 / 72)
    assert ["is little" in text for text in said(two)] == [True, True]


def test_a_broken_file_is_named(two: Path) -> None:
    whole = (two / "day/007.png").read_bytes()
    (two / "day/007.png").write_bytes(whole[: len(whole) // 2])
    assert any("broken" in text and "007.png" in text for text in said(two))


def test_a_picture_in_both_domains_is_named_though_saved_again(two: Path) -> None:
    picture = cv2.imread(str(two / "day/003.png"))
    (two / "night/011.png").unlink()
    cv2.imwrite(str(two / "night/011.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 80])
    (text,) = (text for text in said(two) if "look like pictures of" in text)
    assert "day/003.png" in text and "night/011.jpg" in text


def test_held_out_pictures_that_were_trained_on_are_named(two: Path) -> None:
    assert cv2.imwrite(str(two / "day/058.png"), cv2.imread(str(two / "day/005.png")))
    (text,) = (text for text in said(two) if "look like training ones" in text)
    assert "058.png" in text and "005.png" in text


def test_a_drive_in_both_parts_is_named_and_the_gap_takes_it_out(tmp_path: Path) -> None:
    root = tmp_path
    folder(root / "day", [index / 12 for index in range(40)], "a_{:03}.png")
    folder(root / "day", [50 + index / 12 for index in range(20)], "b_{:03}.png")
    one = look(root, "day")
    assert one.drives == [("day/b", 4, 15)]
    gap = round(one.gap + 0.005, 2)
    again = survey(
        DomainConfig(name="day", paths=("day",)), root, DataConfig(validation=0.25, gap=gap + 1 / 60)
    )
    assert again.drives == []


def test_small_pictures_get_a_small_crop_and_tiny_ones_are_refused(two: Path) -> None:
    surveys = look(two, "day"), look(two, "night")
    recipe = choose(surveys, torch.device("cpu"))
    assert recipe.short_side[1] == 72 and recipe.crop[1] <= recipe.short_side[0] < 72
    assert not any(one.too_small(recipe.crop) for one in surveys)
    assert (recipe.with_steps(1).steps, recipe.with_steps(4000).steps) == (300, 4000)
    assert "pictures are smaller than the crop of 96x80" in surveys[0].too_small((96, 80))
    for path in (two / "night").iterdir():
        cv2.imwrite(str(path), np.zeros((40, 40, 3), np.uint8))
    with pytest.raises(ConfigError, match="short side of 40 pixels"):
        choose((surveys[0], look(two, "night")), torch.device("cpu"))
