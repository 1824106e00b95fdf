"""Sets of digits: what is read, and what is refused in one line."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from digit_sets import save, settings, written
from scipy.io import savemat
from torch.nn import functional as F

from unit_edge.config.adapt import AugmentConfig, DigitsConfig
from unit_edge.errors import DataError
from unit_edge.train.adapt.digit_batches import DigitBatches, DigitDomain, augment, to_tensors
from unit_edge.train.adapt.digits import Digits, read_all, read_digits


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "unit-edge" / "digits"


def svhn(path: Path, count: int = 20) -> np.ndarray:
    """A .mat file as SVHN's: X uint8[32,32,3,N], y [N,1] with 10 for zero; returns the images [N,32,32,3]."""
    images = np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3)).astype(np.uint8)
    labels = np.arange(count)[:, None] % 10
    y = np.where(labels == 0, 10, labels).astype(np.uint8)
    savemat(path, {"X": images.transpose(1, 2, 3, 0), "y": y}, do_compression=True)
    return images


def test_npz_is_stretched_to_32_pixels(tmp_path: Path) -> None:
    images, labels = written(20, 16, 2, 0)
    save(tmp_path / "d.npz", images, labels)
    digits = read_digits(tmp_path / "d.npz", 1)
    assert digits.images.shape == (20, 32, 32, 1) and digits.images.dtype == np.uint8
    assert digits.labels.tolist() == labels.tolist()
    expected = cv2.resize(images[3], (32, 32), interpolation=cv2.INTER_LINEAR)
    assert np.array_equal(digits.images[3, :, :, 0], expected)


def test_svhn_is_mapped_and_ten_is_zero(tmp_path: Path, cache: Path) -> None:
    images = svhn(tmp_path / "train_32x32.mat")
    digits = read_digits(tmp_path / "train_32x32.mat", 3)
    assert isinstance(digits.images, np.memmap)
    assert np.array_equal(digits.images, images)
    assert digits.labels.tolist() == [n % 10 for n in range(20)]
    made = {path: path.stat().st_mtime_ns for path in cache.rglob("*.npy")}
    assert len(made) == 2
    read_digits(tmp_path / "train_32x32.mat", 3)
    assert made == {path: path.stat().st_mtime_ns for path in cache.rglob("*.npy")}, "converted once"


def test_folder_by_class(tmp_path: Path) -> None:
    for digit in range(10):
        (tmp_path / str(digit)).mkdir()
        image = np.full((40, 30, 3), (0, 0, 20 * digit), np.uint8)  # BGR: red
        assert cv2.imwrite(str(tmp_path / str(digit) / "a.png"), image)
    digits = read_digits(tmp_path, 3)
    assert digits.labels.tolist() == list(range(10))
    assert digits.images[7, 16, 16].tolist() == [140, 0, 0]
    assert read_digits(tmp_path, 1).images[7, 16, 16].tolist() == [round(0.299 * 140)]


def test_a_target_needs_no_labels(tmp_path: Path) -> None:
    images, _ = written(7, 28, 1, 0)
    np.savez(tmp_path / "d.npz", x=images)
    (tmp_path / "folder").mkdir()
    for index, image in enumerate(images):
        assert cv2.imwrite(str(tmp_path / "folder" / f"{index}.png"), image)
    from_file, from_folder = read_all(["d.npz", "folder"], tmp_path, 1, labelled=False)
    assert np.array_equal(from_file.images, from_folder.images)
    assert set(from_file.labels) == {-1} == set(from_folder.labels)
    with pytest.raises(DataError, match="expected the folders 0 to 9"):
        read_all(["folder"], tmp_path, 1)


def test_mnist_gets_three_equal_channels(tmp_path: Path) -> None:
    save(tmp_path / "d.npz", *written(20, 28, 1, 0))
    grey, colour = (read_digits(tmp_path / "d.npz", channels).images for channels in (1, 3))
    assert np.array_equal(colour, grey.repeat(3, 3))


def break_labels(path: Path) -> None:
    images, labels = written(20, 28, 1, 0)
    save(path, images, labels + 3)


def break_file(path: Path) -> None:
    save(path, *written(20, 28, 1, 0))
    path.write_bytes(path.read_bytes()[:400])


def drop_class(path: Path) -> None:
    images, labels = written(40, 28, 1, 0)
    save(path, images[labels != 4], labels[labels != 4])


def pickled(path: Path) -> None:
    np.savez(path, x=np.array([{}], object), y=np.zeros(1))


def zipped(path: Path, change: Callable[[bytearray], None]) -> None:
    save(path, *written(40, 28, 1, 0))
    content = bytearray(path.read_bytes())
    change(content)
    path.write_bytes(content)


def claim(content: bytearray) -> None:
    """Another method of compression, in both headers of the first array."""
    for signature, place in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        at = content.find(signature) + place
        content[at : at + 2] = b"\x63\0"


def encrypt(content: bytearray) -> None:
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.find(signature) + place] |= 1


def odd_header(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("x.npy", "y.npy"):
            archive.writestr(name, b"\x93NUMPY\x01\0\x06\0{[]:1}")


def enormous(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("x.npy", "y.npy"):
            with archive.open(name, "w") as file:
                about = {"descr": "|u1", "fortran_order": False, "shape": (2**50, 1, 1)}
                np.lib.format.write_array_header_1_0(file, about)


BROKEN: dict[str, tuple[Callable[[Path], None], str]] = {
    "labels": (break_labels, "labels 10, 11, 12; expected whole numbers 0 to 9"),
    "half labels": (lambda p: save(p, written(20, 28, 1, 0)[0], np.full(20, 1.5)), "labels 1.5; expected"),
    "cut off": (break_file, "damaged or cut off"),
    "compression": (lambda p: zipped(p, claim), "damaged or cut off"),
    "encrypted": (lambda p: zipped(p, encrypt), "damaged or cut off"),
    "header": (odd_header, "damaged or cut off"),
    "enormous": (enormous, "damaged or cut off"),
    "one array": (lambda p: np.save(p.open("wb"), np.zeros(9)), "damaged or cut off"),
    "pickle": (pickled, "damaged or cut off"),
    "empty class": (drop_class, "no image of 4; expected images of all ten digits"),
    "one label too few": (
        lambda p: save(p, written(20, 28, 1, 0)[0], np.zeros(19, int)),
        "20 images and labels [19]; expected a label an image",
    ),
    "channels": (
        lambda p: save(p, np.zeros((9, 28, 28, 4), np.uint8), np.zeros(9, int)),
        "x is uint8[9, 28, 28, 4]; expected uint8[N,H,W]",
    ),
    "size": (lambda p: save(p, np.zeros((9, 3, 3), np.uint8), np.zeros(9, int)), "sides of 8 to 1024 pixels"),
    "floats": (lambda p: save(p, np.zeros((9, 28, 28)), np.zeros(9, int)), "x is float64[9, 28, 28]"),
    "flat": (lambda p: save(p, np.zeros((9, 784), np.uint8), np.zeros(9, int)), "x is uint8[9, 784]"),
    "no y": (lambda p: np.savez(p, x=np.zeros((9, 28, 28), np.uint8)), "has no array y; expected x and y"),
    "missing": (lambda p: None, "no such file"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_bad_npz_is_one_line(case: str, tmp_path: Path) -> None:
    make, message = BROKEN[case]
    make(tmp_path / "d.npz")
    with pytest.raises(DataError) as raised:
        read_all(["d.npz"], tmp_path, 1)
    assert message in str(raised.value) and str(tmp_path / "d.npz") in str(raised.value)
    assert "\n" not in str(raised.value)


def test_bad_mat_is_one_line_and_leaves_nothing(tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "train_32x32.mat"
    svhn(path)
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"MATLAB 5.0 MAT-file" + bytes(200)):
        path.write_bytes(content)
        with pytest.raises(DataError, match="damaged or cut off"):
            read_digits(path, 3)
    savemat(path, {"X": np.zeros((28, 28, 3, 4), np.uint8), "y": np.ones((4, 1))})
    with pytest.raises(DataError, match=r"X is uint8\[28, 28, 3, 4\]; expected uint8\[32,32,3,N\]"):
        read_digits(path, 3)
    savemat(path, {"X": np.zeros((32, 32, 3, 4), np.uint8)})
    with pytest.raises(DataError, match="has no array 'y'"):
        read_digits(path, 3)
    assert not list(cache.rglob("*.npy"))


def test_more_than_two_gib_are_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", b"")
    content = bytearray(path.read_bytes())
    at = content.find(b"PK\x01\x02") + 24
    content[at : at + 4] = (2**31 + 1).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(DataError, match="unpacks to 2147483649 bytes; expected 2147483648 at most"):
        read_digits(path, 1)


@pytest.mark.parametrize("name", ["d.npz", "d.mat"])
def test_a_pipe_is_not_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(DataError, match="is a pipe"):
        read_digits(tmp_path / name, 1)


def test_other_files_and_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("digits")
    with pytest.raises(DataError, match=r"no set of digits; expected a \.npz, a \.mat, or a folder"):
        read_digits(tmp_path / "notes.txt", 1)
    with pytest.raises(DataError, match="no images; expected the folders 0 to 9"):
        read_digits(tmp_path, 1)


def sets(count: int, start: int = 0) -> Digits:
    """Images that are all of one level, their number from `start`; the label is its last digit."""
    levels = np.arange(start, start + count, dtype=np.uint8)
    return Digits(np.broadcast_to(levels[:, None, None, None], (count, 32, 32, 1)), levels.astype(int) % 10)


def test_an_epoch_has_every_image_of_all_sets_once_and_its_inversion() -> None:
    domain = DigitDomain(DigitsConfig("a", ("x",), inverted=True), [sets(5), sets(7, 5)], seed=3)
    assert len(domain) == 24
    images, labels = domain.take(0, 24)
    levels = images[:, 0, 0, 0].tolist()
    assert sorted(levels) == sorted([*range(12), *(255 - n for n in range(12))])
    assert all(label == min(level, 255 - level) % 10 for level, label in zip(levels, labels, strict=True))
    again, _ = domain.take(24, 24)
    assert sorted(again[:, 0, 0, 0].tolist()) == sorted(levels) != again[:, 0, 0, 0].tolist()


def test_a_batch_is_a_function_of_seed_and_step() -> None:
    config = settings()
    data = [[sets(40)], [sets(30, 100)]]
    batches = DigitBatches(config, data, torch.device("cpu"))
    batches[11]
    other = DigitBatches(config, data, torch.device("cpu"))
    assert torch.equal(batches[5].target, other[5].target) and torch.equal(batches[5].source, other[5].source)
    assert not torch.equal(batches[5].unchanged, batches[6].unchanged)


def test_augmentation_moves_and_turns() -> None:
    x = torch.full((64, 1, 32, 32), -1.0)
    x[:, :, 12:20, 14:18] = 1
    assert torch.equal(augment(x, AugmentConfig(), 0), x)
    moved = augment(x, AugmentConfig(shift_px=4), 0)
    assert torch.equal(moved, augment(x, AugmentConfig(shift_px=4), 0))
    weights = (moved[:, 0] + 1) / 2
    mass = weights.sum((1, 2))
    torch.testing.assert_close(mass, torch.full((64,), 32.0), rtol=1e-3, atol=0.0)  # nothing is lost
    line = torch.arange(32.0)
    for axis, middle in ((1, 15.5), (2, 15.5)):
        offsets = (weights.sum(axis) * line).sum(1) / mass - middle
        assert 3 < offsets.abs().max() <= 4.001 and abs(float(offsets.mean())) < 1
    turned = augment(x, AugmentConfig(turn_deg=30), 0)
    centre = (((turned[:, 0] + 1) / 2).sum(1) * line).sum(1) / ((turned[:, 0] + 1) / 2).sum((1, 2))
    torch.testing.assert_close(centre, torch.full((64,), 15.5), atol=0.1, rtol=0.0)
    assert not torch.allclose(turned, x, atol=0.5)


def test_zoom_enlarges_about_the_middle() -> None:
    x = torch.full((1, 1, 32, 32), -1.0)
    x[:, :, 12:20, 12:20] = 1
    expected = torch.full((1, 1, 32, 32), -1.0)
    expected[:, :, 8:24, 8:24] = 1
    zoomed = augment(x, AugmentConfig(), 0, zoom=2.0)
    assert (zoomed - expected)[:, :, 9:23, 9:23].abs().max() < 1e-5
    assert float((zoomed + 1).sum()) == pytest.approx(float((expected + 1).sum()), rel=1e-4)


def test_aspect_stretches_one_way_as_it_shrinks_the_other() -> None:
    x = torch.full((64, 1, 32, 32), -1.0)
    x[:, :, 10:22, 10:22] = 1
    ink = (augment(x, AugmentConfig(aspect=1.5), 0)[:, 0] + 1) / 2
    ratios = ink.amax(1).sum(1) / ink.amax(2).sum(1)
    assert 1.3 < ratios.max() <= 1.6 and 1 / 1.6 <= ratios.min() < 1 / 1.3
    torch.testing.assert_close(ink.sum((1, 2)), torch.full((64,), 144.0), rtol=0.03, atol=0.0)


def test_bending_moves_points_by_no_more_than_it_may_and_neighbours_alike() -> None:
    line = torch.arange(32.0) / 31 * 2 - 1
    x = line.expand(32, 3, 32, 32)  # a level a column; in colour, so that nothing black comes in
    columns = (augment(x, AugmentConfig(elastic_px=2), 0)[:, 0] + 1) / 2 * 31
    moves = (columns - torch.arange(32.0))[:, :, 4:28]
    assert 1 < moves.abs().max() < 3 and abs(float(moves.mean())) < 0.2
    assert moves.diff(dim=1).abs().max() < 1 and moves.diff(dim=2).abs().max() < 1
    assert moves.std(0).min() > 0.2, "every place moves, in every image otherwise"


def test_blur_takes_what_half_the_resolution_does_not_show() -> None:
    x = torch.ones(64, 1, 32, 32)
    x[:, :, ::2, 1::2] = x[:, :, 1::2, ::2] = -1  # a pixel's chequers
    left = augment(x, AugmentConfig(blur=0.75), 0).abs()
    assert torch.allclose(left, left[:, :, :1, :1].expand_as(left), atol=1e-5)
    assert 0.25 <= left.min() < 0.3 and 0.9 < left.max() <= 1
    coarse = F.interpolate(torch.randn(4, 1, 2, 2), size=32, mode="nearest")
    assert torch.allclose(
        augment(coarse, AugmentConfig(blur=1.0), 0)[:, :, 4:12, 4:12], coarse[:, :, 4:12, 4:12], atol=1e-5
    )


def test_only_the_zoomed_domain_is_zoomed() -> None:
    images = np.zeros((4, 32, 32, 1), np.uint8)
    images[:, 12:20, 12:20] = 255
    digits = [[Digits(images, np.arange(4))]] * 2
    config = settings()
    config = replace(config, source=replace(config.source, zoom=2.0), augment=AugmentConfig())
    batch = DigitBatches(config, digits, torch.device("cpu"))[0]
    assert [float(((x[0] + 1) / 2).sum()) for x in (batch.source, batch.target)] == pytest.approx(
        [256, 64], rel=1e-3
    )


def test_levels_to_tensors() -> None:
    x = to_tensors(np.array([0, 255], np.uint8)[:, None, None, None].repeat(32, 1).repeat(32, 2))
    assert x.shape == (2, 1, 32, 32) and x[0].unique().tolist() == [-1] and x[1].unique().tolist() == [1]
