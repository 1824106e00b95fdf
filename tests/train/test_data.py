from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from unit_edge.config import RunConfig
from unit_edge.errors import DataError
from unit_edge.train.data import Domain, Pairs, batches, list_images, split, to_image, to_tensor


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


def test_tensor_is_rgb_between_minus_one_and_one() -> None:
    image = np.array([[[255, 0, 0], [0, 127, 255]]], np.uint8)  # blue, orange in BGR
    x = to_tensor(image)
    assert x[:, 0, 0].tolist() == [-1, -1, 1]
    assert x[0, 0, 1] == 1
    assert np.array_equal(to_image(x), image)
