from __future__ import annotations

import multiprocessing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from unit_edge.config import DataConfig, RunConfig
from unit_edge.errors import ConfigError, DataError
from unit_edge.train.data import dataset
from unit_edge.train.data.dataset import (
    Domain,
    Pairs,
    batches,
    list_images,
    random_crop,
    shrink,
    to_image,
    to_tensor,
)
from unit_edge.train.data.decode import ImageItem
from unit_edge.train.data.image_cache import ImageCache, can_share
from unit_edge.train.guides.guide import Guide


def items(folder: Path) -> list[ImageItem]:
    return [ImageItem(path) for path in list_images(folder)]


def test_samples_do_not_depend_on_workers(config: RunConfig, images: Path) -> None:
    def take(workers: int) -> list[torch.Tensor]:
        domains = [Domain(n, items(images / n), config.data, 1) for n in ("dark", "bright")]
        return [x for pair in batches(Pairs(*domains, 4, 10), 2, workers) for x in pair]

    alone, helped = take(0), take(2)
    assert len(alone) == 10
    assert all(torch.equal(a, b) for a, b in zip(alone, helped, strict=True))


@pytest.mark.parametrize("workers", [0, 2])
def test_processes_share_every_batch(config: RunConfig, images: Path, workers: int) -> None:
    def take(part: int, parts: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        domains = [Domain(n, items(images / n), config.data, 1) for n in ("dark", "bright")]
        return list(batches(Pairs(*domains, 6, 12), 6, workers, part, parts))

    whole = take(0, 1)
    parts = [take(part, 3) for part in range(3)]
    assert [len(part) for part in parts] == [2, 2, 2]
    for index, batch in enumerate(whole):
        for domain in (0, 1):
            shares = [part[index][domain] for part in parts]
            assert [share.shape[0] for share in shares] == [2, 2, 2]
            assert torch.equal(torch.cat(shares), batch[domain])


def test_a_batch_that_cannot_be_shared_equally(config: RunConfig, images: Path) -> None:
    domain = Domain("dark", items(images / "dark"), config.data, 1)
    with pytest.raises(ConfigError, match=r"optim\.batch = 4, expected a multiple of the 3 processes"):
        batches(Pairs(domain, domain, 0, 8), 4, 0, 0, 3)


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[ImageItem]:
    read: list[ImageItem] = []
    original = dataset.read_image

    def note(item: ImageItem) -> np.ndarray:
        read.append(item)
        return original(item)

    monkeypatch.setattr(dataset, "read_image", note)
    return read


@pytest.mark.parametrize(
    ("mib", "workers", "parts", "kept"),
    [(8, 0, 1, 8), (4, 0, 1, 4), (0, 0, 1, 0), (8, 2, 1, 8), (8, 2, 2, 4), (8, 1, 4, 2), (5, 2, 1, 5)],
)
def test_memory_is_for_both_domains_and_all_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mib: int, workers: int, parts: int, kept: int
) -> None:
    # decoded, an image takes one MiB exactly
    for index in range(8):
        cv2.imwrite(str(tmp_path / f"{index}.png"), np.full((512, 682, 3), index, np.uint8)[:512])
    monkeypatch.setattr(dataset, "shrink", lambda image, _: np.zeros(1 << 20, np.uint8).reshape(512, 2048, 1))
    window = SimpleNamespace(cut=lambda _: np.zeros((4, 4, 3), np.uint8))
    monkeypatch.setattr(dataset, "draw_window", lambda *_: window)
    settings = DataConfig(short_side=(512, 512), crop=(512, 512), limit_ram_mib=mib, workers=workers)
    paths = items(tmp_path)
    domains = Domain("a", paths[:2], settings, 0), Domain("b", paths[2:], settings, 0)
    pairs = Pairs(*domains, 0, 1)
    batches(pairs, parts, workers, 0, parts)
    for domain in domains:  # as each worker does
        for number in range(len(domain.images)):
            domain[number]
    cache = domains[0].cache
    assert cache is domains[1].cache
    assert cache.used_bytes == kept << 20
    assert cache.used_bytes * parts <= mib << 20
    read = count_reads(monkeypatch)
    for domain in domains:
        for number in range(len(domain.images)):
            domain[number]
    assert len(read) == 8 - kept


def test_samples_do_not_depend_on_the_memory(config: RunConfig, images: Path) -> None:
    settings = replace(config.data, short_side=(32, 33))
    roomy, tight = (
        Domain("dark", items(images / "dark"), replace(settings, limit_ram_mib=mib), 1) for mib in (100, 0)
    )
    assert all(torch.equal(roomy[n], tight[n]) for n in [*range(12), *range(12)])
    assert roomy.cache.used_bytes > 0 == tight.cache.used_bytes


def test_the_cache_counts_every_byte_that_it_keeps() -> None:
    cache = ImageCache(300)
    large = np.zeros((100, 100, 3), np.uint8)
    cache.put("a", large[:10, :10])
    kept = cache.get("a")
    assert kept is not None
    assert kept.base is None  # or it would keep the whole large one
    cache.put("a", large)
    cache.put("b", np.zeros(1, np.uint8))
    assert (cache.used_bytes, cache.get("b")) == (300, None)
    cache.clear(10)
    assert (cache.limit_bytes, cache.used_bytes, cache.get("a")) == (10, 0, None)


def test_an_epoch_sees_every_image_once(config: RunConfig, tmp_path: Path) -> None:
    for index in range(5):
        cv2.imwrite(str(tmp_path / f"{index}.png"), np.full((40, 40, 3), 40 * index, np.uint8))
    domain = Domain("grey", items(tmp_path), config.data, 0)
    for epoch in range(3):
        levels = [round((domain[5 * epoch + i].mean().item() + 1) * 127.5) for i in range(5)]
        assert sorted(levels) == [0, 40, 80, 120, 160]


def test_an_unreadable_image_is_named_and_skipped(
    config: RunConfig, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (images / "dark" / "3.png").write_bytes(b"no picture")
    domain = Domain("dark", items(images / "dark"), config.data, 0)
    assert all(domain[index].shape == (3, 32, 32) for index in range(12))
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "3.png: can't be read as an image" in message
    assert message.endswith("; skipped (1 of 6 images of dark)\n")


def test_many_unusable_images_are_not_a_line_each(
    config: RunConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for index in range(50):
        cv2.imwrite(str(tmp_path / f"{index:02}.png"), np.zeros((20, 48, 3), np.uint8))
    with pytest.raises(DataError, match="none of its 50 images"):
        Domain("dark", items(tmp_path), config.data, 0)[0]
    lines = capsys.readouterr().err.splitlines()
    counts = [line.partition("skipped (")[2].split()[0] for line in lines]
    assert counts == ["1", "2", "3", "4", "8", "16", "32"]


def test_images_smaller_than_the_crop(
    config: RunConfig, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cv2.imwrite(str(images / "dark" / "0.png"), np.zeros((20, 48, 3), np.uint8))
    domain = Domain("dark", items(images / "dark"), config.data, 0)
    for index in range(6):
        domain[index]
    assert "0.png is 48x20, smaller than the crop of 32x32 (data.crop); skipped" in capsys.readouterr().err
    large = Domain("dark", items(images / "dark"), replace(config.data, crop=(64, 64)), 0)
    with pytest.raises(DataError, match=r"none of its 6 images is usable.*crop of 64x64"):
        large[0]


def test_the_seed_decides(config: RunConfig, images: Path) -> None:
    def take(seed: int) -> list[torch.Tensor]:
        domain = Domain("dark", items(images / "dark"), config.data, seed)
        return [domain[index] for index in (0, 5, 11, 3)]

    assert all(torch.equal(a, b) for a, b in zip(take(1), take(1), strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(take(1), take(2), strict=True))


def test_every_epoch_crops_anew(config: RunConfig, images: Path) -> None:
    domain = Domain("dark", items(images / "dark")[:1], config.data, 1)
    assert not any(torch.equal(domain[0], domain[epoch]) for epoch in (1, 2, 3))


def test_samples_do_not_depend_on_what_was_read_before(config: RunConfig, images: Path) -> None:
    (images / "dark" / "2.png").write_bytes(b"")
    paths = items(images / "dark")
    whole, resumed = (Domain("dark", paths, config.data, 3) for _ in range(2))
    expected = [whole[index] for index in range(14)]
    assert all(torch.equal(resumed[index], expected[index]) for index in range(7, 14))


@pytest.mark.parametrize("size", [(48, 40), (40, 48), (200, 36), (33, 400)])
def test_random_crop_has_the_shape_of_the_settings(config: RunConfig, size: tuple[int, int]) -> None:
    settings = replace(config.data, crop=(32, 24), short_side=(20, 44), stretch=1.5)
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    crops = [random_crop(image, settings, rng) for _ in range(20)]
    assert {crop.shape for crop in crops} == {(24, 32, 3)}
    assert all(crop.dtype == np.uint8 for crop in crops)
    assert not np.array_equal(crops[0], crops[1])


def test_images_below_the_crop_are_enlarged_in_their_own_shape() -> None:
    settings = DataConfig(short_side=(40, 40), crop=(80, 40), flip=False)
    image = np.zeros((80, 80, 3), np.uint8)
    cv2.circle(image, (40, 40), 30, (255, 255, 255), -1)  # at 40x40 the crop would be wider than the image
    crop = random_crop(image, settings, np.random.default_rng(0))
    assert crop.shape == (40, 80, 3)
    rows = np.flatnonzero(crop[:, :, 0].max(axis=0) > 127)
    assert rows[-1] - rows[0] + 1 >= 59  # of the circle's 61 columns: it was not squeezed


@pytest.mark.parametrize(
    "settings",
    [
        DataConfig(short_side=(136, 168), crop=(128, 128), stretch=1.2),
        DataConfig(short_side=(136, 168), crop=(128, 128)),
        DataConfig(short_side=(100, 100), crop=(400, 100), stretch=1.5),
        DataConfig(short_side=(100, 110), crop=(100, 300), stretch=1.3),
    ],
)
@pytest.mark.parametrize("size", [(640, 480), (1920, 1080), (601, 600), (500, 1200)])
def test_images_are_kept_as_large_as_the_largest_sample(
    monkeypatch: pytest.MonkeyPatch, settings: DataConfig, size: tuple[int, int]
) -> None:
    image = np.zeros((size[1], size[0], 3), np.uint8)
    small = shrink(image, settings)
    asked: list[tuple[int, int]] = []

    def note(_: np.ndarray, new: tuple[int, int], interpolation: int) -> np.ndarray:
        asked.append(new)
        return np.zeros((new[1], new[0], 3), np.uint8)

    monkeypatch.setattr(dataset.cv2, "resize", note)
    rng = np.random.default_rng(0)
    for _ in range(1000):
        random_crop(image, settings, rng)
    width, height = (max(sizes) for sizes in zip(*asked, strict=True))
    # of the two, one side decides, as the shape is kept; a thousand draws come within 3 % of the limit
    assert small.shape[1] >= min(width, size[0])
    assert small.shape[0] >= min(height, size[1])
    assert min(small.shape[1] / width, small.shape[0] / height) <= 1.03
    assert abs(small.shape[1] / small.shape[0] / (size[0] / size[1]) - 1) < 0.02


def test_flips_can_be_turned_off() -> None:
    image = np.tile(np.linspace(0, 255, 48).astype(np.uint8)[None, :, None], (40, 1, 3))
    rng = np.random.default_rng(0)
    settings = DataConfig(short_side=(40, 40), crop=(32, 32), flip=False)
    crops = [random_crop(image, settings, rng) for _ in range(50)]
    assert all(crop[0, 0, 0] < crop[0, -1, 0] for crop in crops)


def test_flips_decide_nothing_else(config: RunConfig) -> None:
    image = np.random.default_rng(1).integers(0, 256, (40, 48, 3), dtype=np.uint8)
    crops = [
        [random_crop(image, settings, np.random.default_rng(seed)) for seed in range(20)]
        for settings in (config.data, replace(config.data, flip=False))
    ]
    same = [np.array_equal(a, b) for a, b in zip(*crops, strict=True)]
    assert 4 < sum(same) < 16
    mirrored = [np.array_equal(a[:, ::-1], b) for a, b in zip(*crops, strict=True)]
    assert all(a or b for a, b in zip(same, mirrored, strict=True))


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


def test_a_guides_rendering_is_cut_like_its_image(config: RunConfig, images: Path) -> None:
    """The sample's second half is the same crop, flipped alike, of the rendering of that image."""
    settings = replace(config.data, short_side=(34, 60), stretch=1.3)
    guide = Guide(lambda image, classes, rng: 255 - image, lambda image: image[:, :, :1])
    plain = Domain("dark", items(images / "dark"), settings, 1)
    for limit in (100, 0):
        guided = Domain("dark", items(images / "dark"), replace(settings, limit_ram_mib=limit), 1, guide)
        for number in range(12):
            x, rendering = guided[number].split(3)  # type: ignore[no-untyped-call]
            assert torch.equal(x, plain[number])
            assert (rendering + x).abs().max() < 0.02


@pytest.mark.parametrize("workers", [0, 2])
def test_samples_do_not_depend_on_what_is_kept_of_a_guides_work(
    config: RunConfig, images: Path, workers: int
) -> None:
    """A sample is the same where all is kept, only the classes, or nothing."""
    prepared: list[int] = []

    def prepare(image: NDArray[np.uint8], classes: NDArray[np.uint8]) -> NDArray[np.uint8]:
        prepared.append(1)
        return np.repeat(np.resize(classes.reshape(1, 1, -1), (1, 1, image.size)), 2**8, 0)

    def render(
        image: NDArray[np.uint8], known: NDArray[np.uint8], rng: np.random.Generator
    ) -> NDArray[np.uint8]:
        return np.asarray(known[0].reshape(image.shape) + rng.integers(9, dtype=np.uint8), np.uint8)

    guide = Guide(render, lambda image: 255 - image, prepare)
    samples, calls = [], []
    for limit in (100, 1, 0):
        prepared.clear()
        data = replace(config.data, limit_ram_mib=limit)
        guided = Domain("dark", items(images / "dark"), data, 1, guide)
        pairs = Pairs(guided, Domain("bright", items(images / "bright"), data, 1), 0, 24)
        samples.append(torch.cat([x for x, _ in batches(pairs, 4, workers)]))
        calls.append(len(prepared))
    assert torch.equal(samples[0], samples[1])
    assert torch.equal(samples[0], samples[2])
    if not workers:
        assert calls[0] == len(guided.images)
        assert min(calls[1:]) > 2 * len(guided.images)


def test_a_guides_random_numbers_are_a_function_of_the_sample(config: RunConfig, images: Path) -> None:
    guide = Guide(lambda image, _, rng: np.full_like(image, rng.integers(256)), lambda image: image)
    first, again = (Domain("dark", items(images / "dark"), config.data, 1, guide) for _ in range(2))
    levels = [first[n][3:].unique().item() for n in range(8)]
    assert levels == [again[n][3:].unique().item() for n in reversed(range(8))][::-1]
    assert len(set(levels)) > 4


def test_forks_share_what_one_of_them_decoded() -> None:
    if not can_share():
        pytest.skip("processes are no forks here")
    cache = ImageCache(0)
    cache.share(100, ["a", "b", "c"])
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    child = multiprocessing.Process(target=lambda: cache.put("a", image))
    child.start()
    child.join()
    found = cache.get("a")
    assert found is not None and np.array_equal(found, image)
    cache.put("a", image + 1)
    cache.put("b", image)
    cache.put("c", image)  # no room any more
    cache.put("unknown", image[:1, :1])
    assert cache.used_bytes == 96
    assert cache.get("c") is None and cache.get("unknown") is None
    assert np.array_equal(cache.get("a"), image) and np.array_equal(cache.get("b"), image)  # type: ignore[arg-type]


def test_bytes_become_the_floats_that_numpy_makes_of_them() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 6), dtype=np.uint8)
    expected = pixels.transpose(0, 3, 1, 2)[:, [2, 1, 0, 5, 4, 3]].astype(np.float32) / np.float32(127.5) - 1
    assert np.array_equal(dataset.to_floats(torch.from_numpy(pixels)).numpy(), expected)
