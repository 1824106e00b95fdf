from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from unit_edge.config import RunConfig
from unit_edge.errors import DataError
from unit_edge.train.data import Domain, Pairs, batches, list_images, random_crop, split, to_image, to_tensor


def test_folders_without_images(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        list_images(tmp_path / "missing")
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(DataError, match="no images"):
        list_images(tmp_path)


def test_the_last_by_name_are_held_out(images: Path) -> None:
    training, held_out = split([images / "dark", images / "bright"], 0.4)
    assert [p.name for p in held_out] == ["4.png", "5.png"] * 2
    assert not set(training) & set(held_out)
    assert len(training) == 8


def test_samples_do_not_depend_on_workers(config: RunConfig, images: Path) -> None:
    def take(workers: int) -> list[torch.Tensor]:
        domains = [Domain(n, list_images(images / n), config.data, 1) for n in ("dark", "bright")]
        return [x for pair in batches(Pairs(*domains, 4, 10), 2, workers) for x in pair]

    alone, helped = take(0), take(2)
    assert len(alone) == 10
    assert all(torch.equal(a, b) for a, b in zip(alone, helped, strict=True))


def test_an_epoch_sees_every_image_once(config: RunConfig, tmp_path: Path) -> None:
    for index in range(5):
        cv2.imwrite(str(tmp_path / f"{index}.png"), np.full((40, 40, 3), 40 * index, np.uint8))
    domain = Domain("grey", list_images(tmp_path), config.data, 0)
    for epoch in range(3):
        levels = [round((domain[5 * epoch + i].mean().item() + 1) * 127.5) for i in range(5)]
        assert sorted(levels) == [0, 40, 80, 120, 160]


def test_an_unreadable_image_is_named_and_skipped(
    config: RunConfig, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (images / "dark" / "3.png").write_bytes(b"no picture")
    domain = Domain("dark", list_images(images / "dark"), config.data, 0)
    assert all(domain[index].shape == (3, 32, 32) for index in range(12))
    message = capsys.readouterr().err
    assert message.count("3.png can't be read as an image; skipped (1 of 6 images of dark)") == 1


def test_images_smaller_than_the_crop(
    config: RunConfig, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cv2.imwrite(str(images / "dark" / "0.png"), np.zeros((20, 48, 3), np.uint8))
    domain = Domain("dark", list_images(images / "dark"), config.data, 0)
    for index in range(6):
        domain[index]
    assert "0.png is 48x20, smaller than the crop of 32x32 (data.crop); skipped" in capsys.readouterr().err
    large = Domain("dark", list_images(images / "dark"), replace(config.data, crop=(64, 64)), 0)
    with pytest.raises(DataError, match=r"none of its 6 images is usable.*crop of 64x64"):
        large[0]


def test_the_seed_decides(config: RunConfig, images: Path) -> None:
    def take(seed: int) -> list[torch.Tensor]:
        domain = Domain("dark", list_images(images / "dark"), config.data, seed)
        return [domain[index] for index in (0, 5, 11, 3)]

    assert all(torch.equal(a, b) for a, b in zip(take(1), take(1), strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(take(1), take(2), strict=True))


def test_every_epoch_crops_anew(config: RunConfig, images: Path) -> None:
    domain = Domain("dark", list_images(images / "dark")[:1], config.data, 1)
    assert not any(torch.equal(domain[0], domain[epoch]) for epoch in (1, 2, 3))


def test_samples_do_not_depend_on_what_was_read_before(config: RunConfig, images: Path) -> None:
    (images / "dark" / "2.png").write_bytes(b"")
    paths = list_images(images / "dark")
    whole, resumed = (Domain("dark", paths, config.data, 3) for _ in range(2))
    expected = [whole[index] for index in range(14)]
    assert all(torch.equal(resumed[index], expected[index]) for index in range(7, 14))


def test_images_of_subfolders_count_whatever_the_case_of_their_suffix(images: Path) -> None:
    (images / "dark" / "deep").mkdir()
    (images / "dark" / "5.png").rename(images / "dark" / "deep" / "9.PNG")
    assert [path.name for path in list_images(images / "dark")] == [*(f"{i}.png" for i in range(5)), "9.PNG"]


@pytest.mark.parametrize("size", [(48, 40), (40, 48), (200, 36), (33, 400)])
def test_random_crop_has_the_shape_of_the_settings(config: RunConfig, size: tuple[int, int]) -> None:
    settings = replace(config.data, crop=(32, 24), short_side=(20, 44), stretch=1.5)
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    crops = [random_crop(image, settings, rng) for _ in range(20)]
    assert {crop.shape for crop in crops} == {(24, 32, 3)}
    assert all(crop.dtype == np.uint8 for crop in crops)
    assert not np.array_equal(crops[0], crops[1])


def test_random_crops_are_mirrored_half_of_the_time(config: RunConfig) -> None:
    image = np.tile(np.linspace(0, 255, 48).astype(np.uint8)[None, :, None], (40, 1, 3))
    rng = np.random.default_rng(0)
    mirrored = [
        bool(crop[0, 0, 0] > crop[0, -1, 0])
        for crop in (random_crop(image, config.data, rng) for _ in range(200))
    ]
    assert 0.35 < np.mean(mirrored) < 0.65


def test_every_level_makes_the_round_trip() -> None:
    image = np.arange(256 * 3, dtype=np.uint16).astype(np.uint8).reshape(16, 16, 3)
    assert np.array_equal(to_image(to_tensor(image)), image)
    assert to_tensor(image).dtype == torch.float32


def test_images_are_clamped() -> None:
    assert to_image(torch.tensor([-1.5, 0.0, 1.5]).reshape(3, 1, 1)).tolist() == [[[255, 128, 0]]]


def test_tensor_is_rgb_between_minus_one_and_one() -> None:
    image = np.array([[[255, 0, 0], [0, 127, 255]]], np.uint8)  # blue, orange in BGR
    x = to_tensor(image)
    assert x[:, 0, 0].tolist() == [-1, -1, 1]
    assert x[0, 0, 1] == 1
    assert np.array_equal(to_image(x), image)
