"""Every kind of image file that people have, against pixels that the test knows."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from unit_edge.errors import DataError, ImageError, SourceError
from unit_edge.media.images import read_image
from unit_edge.runtime.sources.images import ImageSource
from unit_edge.train.data.decode import ImageItem
from unit_edge.train.data.decode import read_image as read_for_training

SIZE = (24, 32)  # height and width
FINE = {"quality": 98, "subsampling": 0}
FINE_AVIF = {"quality": 98, "subsampling": "4:4:4"}


@pytest.fixture
def picture() -> NDArray[np.uint8]:
    """uint8[24,32,3], BGR: smooth enough for JPEG, and no two corners alike."""
    small = np.random.default_rng(0).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(small, SIZE[::-1], interpolation=cv2.INTER_LINEAR), np.uint8)


@pytest.fixture
def pil() -> Any:
    """Pillow, which writes files that OpenCV can't."""
    return pytest.importorskip("PIL.Image", reason="writing these files needs Pillow")


def read(path: Path) -> NDArray[np.uint8]:
    """What training, export and the runtime all get."""
    image = read_image(path)
    assert image.dtype == np.uint8 and image.flags.c_contiguous
    assert np.array_equal(read_for_training(ImageItem(path)), image)
    with ImageSource(path) as source:
        assert np.array_equal(next(iter(source)).image, image)
    return image


def turned(image: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """What a viewer shows of a stored image, by the table of the EXIF specification."""
    views = {
        1: image,
        2: np.fliplr(image),
        3: np.rot90(image, 2),
        4: np.flipud(image),
        5: np.transpose(image, (1, 0, 2)),
        6: np.rot90(image, -1),
        7: np.rot90(np.transpose(image, (1, 0, 2)), 2),
        8: np.rot90(image),
    }
    return views[orientation]


def test_lossless_formats_are_exact(tmp_path: Path, picture: NDArray[np.uint8]) -> None:
    for suffix in ("png", "bmp", "tif", "tiff", "PNG"):
        path = tmp_path / f"a.{suffix}"
        assert cv2.imwrite(str(path), picture)
        image = read(path)
        assert image.dtype == np.uint8
        assert np.array_equal(image, picture), suffix
    assert cv2.imwrite(str(tmp_path / "a.webp"), picture, [cv2.IMWRITE_WEBP_QUALITY, 101])
    assert np.array_equal(read(tmp_path / "a.webp"), picture)


def test_jpeg(tmp_path: Path, picture: NDArray[np.uint8]) -> None:
    for progressive in (0, 1):
        flags = [cv2.IMWRITE_JPEG_QUALITY, 98, cv2.IMWRITE_JPEG_PROGRESSIVE, progressive]
        assert cv2.imwrite(str(tmp_path / "a.jpg"), picture, flags)
        assert np.abs(read(tmp_path / "a.jpg").astype(int) - picture).mean() < 3


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_16_bit_values_are_scaled_by_one_factor_whatever_they_are(tmp_path: Path, suffix: str) -> None:
    dim = np.linspace(0, 20_000, SIZE[0] * SIZE[1]).astype(np.uint16).reshape(SIZE)
    for deep in (dim, np.dstack([dim, dim[::-1], dim + 40_000])):
        path = tmp_path / f"deep.{suffix}"
        assert cv2.imwrite(str(path), deep)
        expected = deep[..., None] if deep.ndim == 2 else deep
        assert np.abs(read(path).astype(int) - expected / 256).max() < 1.5  # not stretched to 0-255


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "tiff"])
def test_grey(tmp_path: Path, picture: NDArray[np.uint8], suffix: str) -> None:
    assert cv2.imwrite(str(tmp_path / f"grey.{suffix}"), picture[..., 0])
    image = read(tmp_path / f"grey.{suffix}")
    assert image.shape == (*SIZE, 3)
    assert np.abs(image.astype(int) - picture[..., :1]).mean() < (3 if suffix == "jpg" else 1e-9)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff"])
def test_palette_and_one_bit(tmp_path: Path, picture: NDArray[np.uint8], pil: Any, suffix: str) -> None:
    rgb = pil.fromarray(np.ascontiguousarray(picture[:, :, ::-1]))
    for stored in (rgb.quantize(16), rgb.convert("1")):
        stored.save(tmp_path / f"a.{suffix}")
        expected = np.array(stored.convert("RGB"))[:, :, ::-1]
        assert np.array_equal(read(tmp_path / f"a.{suffix}"), expected)


@pytest.mark.parametrize("suffix", ["png", "webp", "tiff", "avif"])
@pytest.mark.parametrize("orientation", [1, 3, 5, 6, 8])
def test_transparency_is_laid_over_black(
    tmp_path: Path, picture: NDArray[np.uint8], pil: Any, suffix: str, orientation: int
) -> None:
    alpha = np.zeros((*SIZE, 1), np.uint8)
    alpha[:, 8:16] = 128
    alpha[:, 16:] = 255
    exif = pil.Exif()
    exif[0x112] = orientation
    options = {"webp": {"lossless": True, "exact": True}, "avif": FINE_AVIF}.get(suffix, {})
    stored = pil.fromarray(np.concatenate([picture[:, :, ::-1], alpha], axis=2))
    stored.save(tmp_path / f"a.{suffix}", exif=exif, **options)
    expected = turned(picture * (alpha / 255), orientation)
    image = read(tmp_path / f"a.{suffix}")
    assert image.shape == expected.shape
    assert np.abs(image - expected).max() < (8 if suffix == "avif" else 1)


def test_what_is_hidden_is_black_for_all(tmp_path: Path) -> None:
    assert cv2.imwrite(str(tmp_path / "a.png"), np.full((4, 4, 4), (200, 200, 200, 0), np.uint8))
    assert not read(tmp_path / "a.png").any()


def test_other_transparent_pngs(tmp_path: Path, picture: NDArray[np.uint8], pil: Any) -> None:
    rgb = pil.fromarray(np.ascontiguousarray(picture[:, :, ::-1]))
    palette = rgb.quantize(8)
    palette.save(tmp_path / "palette.png", transparency=3)
    expected = np.array(rgb.quantize(8).convert("RGB"))[:, :, ::-1].copy()
    expected[np.array(palette) == 3] = 0
    assert np.array_equal(read(tmp_path / "palette.png"), expected)

    alpha = np.repeat(np.arange(SIZE[0], dtype=np.uint8)[:, None] * 10, SIZE[1], axis=1)
    pil.fromarray(np.dstack([picture[..., 0], alpha])).save(tmp_path / "grey.png")
    expected = np.repeat((picture[..., 0] * (alpha / 255))[..., None], 3, axis=2)
    assert np.abs(read(tmp_path / "grey.png") - expected).max() < 1

    deep = np.dstack([picture, alpha]).astype(np.uint16) * 257
    assert cv2.imwrite(str(tmp_path / "deep.png"), deep)
    assert np.abs(read(tmp_path / "deep.png") - picture * (alpha[..., None] / 255)).max() < 1


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff", "avif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_upright(
    tmp_path: Path, picture: NDArray[np.uint8], pil: Any, suffix: str, orientation: int
) -> None:
    exif = pil.Exif()
    exif[0x112] = orientation
    options = {"webp": {"lossless": True}, "jpg": FINE, "avif": FINE_AVIF}.get(suffix, {})
    rgb = pil.fromarray(np.ascontiguousarray(picture[:, :, ::-1]))
    rgb.save(tmp_path / f"a.{suffix}", exif=exif, **options)
    image = read(tmp_path / f"a.{suffix}")
    expected = turned(picture, orientation)
    assert image.shape == expected.shape
    assert np.abs(image.astype(int) - expected).mean() < (3 if suffix in ("jpg", "avif") else 1e-9)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp", "tiff", "avif"])
@pytest.mark.parametrize("share", [0, 0.05, 0.5, 0.9, 0.99])
def test_a_file_that_is_cut_off_is_no_image(
    tmp_path: Path, picture: NDArray[np.uint8], suffix: str, share: float
) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    path = tmp_path / f"half.{suffix}"
    assert cv2.imwrite(str(path), noise)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ImageError, match=rf"half\.{suffix}: can't be read as an image: .+") as error:
        read(path)
    assert "\n" not in str(error.value)


def test_an_error_is_training_s_and_the_runtime_s(tmp_path: Path) -> None:
    for kind in (DataError, SourceError):
        with pytest.raises(kind, match="no\\.png: can't be read as an image: No such file"):
            read_image(tmp_path / "no.png")


@pytest.mark.parametrize("suffix", ["jpg", "tiff"])
def test_printers_colours(tmp_path: Path, picture: NDArray[np.uint8], pil: Any, suffix: str) -> None:
    rgb = pil.fromarray(np.ascontiguousarray(picture[:, :, ::-1]))
    rgb.convert("CMYK").save(tmp_path / f"a.{suffix}", **(FINE if suffix == "jpg" else {}))
    assert np.abs(read(tmp_path / f"a.{suffix}").astype(int) - picture).mean() < 2


@pytest.mark.parametrize("bits", [8, 10, 12])
def test_deep_avif(tmp_path: Path, picture: NDArray[np.uint8], bits: int) -> None:
    deep = picture if bits == 8 else picture.astype(np.uint16) << (bits - 8)
    flags = [cv2.IMWRITE_AVIF_QUALITY, 98, cv2.IMWRITE_AVIF_DEPTH, bits, cv2.IMWRITE_AVIF_SPEED, 9]
    done, content = cv2.imencode(".avif", deep, flags)
    assert done
    (tmp_path / "a.avif").write_bytes(content.tobytes())
    assert np.abs(read(tmp_path / "a.avif").astype(int) - picture).mean() < 3


def test_a_jpeg_with_a_whole_thumbnail_can_be_cut_off(tmp_path: Path, picture: NDArray[np.uint8]) -> None:
    thumbnail = cv2.imencode(".jpg", picture)[1].tobytes()
    application = b"Exif\0\0" + thumbnail
    whole = cv2.imencode(".jpg", np.tile(picture, (5, 5, 1)))[1].tobytes()
    segment = b"\xff\xe1" + struct.pack(">H", len(application) + 2) + application
    path = tmp_path / "camera.jpg"
    path.write_bytes(whole[:2] + segment + whole[2:])
    assert read(path).shape == (120, 160, 3)
    path.write_bytes((whole[:2] + segment + whole[2:])[:-200])
    with pytest.raises(ImageError, match="cut off"):
        read(path)


def test_a_jpeg_may_have_something_behind_it(tmp_path: Path, picture: NDArray[np.uint8]) -> None:
    path = tmp_path / "phone.jpg"
    path.write_bytes(cv2.imencode(".jpg", picture)[1].tobytes() + b"\0 maker's notes" * 20)
    assert read(path).shape == (*SIZE, 3)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@pytest.mark.parametrize("side", [60_000, 2_000_000_000])
def test_a_decompression_bomb_is_refused(tmp_path: Path, side: int) -> None:
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(bytes(10_000))), chunk(b"IEND", b"")]
    path = tmp_path / "bomb.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    with pytest.raises(ImageError, match=r"bomb\.png: can't be read as an image") as error:
        read(path)
    assert "\n" not in str(error.value)


def test_a_chunk_that_claims_gigabytes_is_refused_before_room_is_made_for_it(
    tmp_path: Path, picture: NDArray[np.uint8]
) -> None:
    path = tmp_path / "a.png"
    assert cv2.imwrite(str(path), picture)
    data = path.read_bytes()
    place = data.index(b"IDAT") - 4
    path.write_bytes(data[:place] + b"\xff\xff\xff\xc5" + data[place + 4 :])
    code = (
        "import sys; from pathlib import Path; from unit_edge.media.images import read_image\n"
        "try: read_image(Path(sys.argv[1]))\n"
        "except Exception as error: print(type(error).__name__, error)\n"
        # not getrusage's, which knows the memory of the process that this one was forked from, too
        "print(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True)
    said, kib = done.stdout.splitlines()
    assert said == f"ImageError {path}: can't be read as an image: the file is cut off"
    assert int(kib) < 500_000


def test_what_is_no_file_at_all(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    for name in ("missing.png", "folder.png", "nul\0.png", "x" * 300 + ".png"):
        with pytest.raises(ImageError, match="can't be read as an image"):
            read(tmp_path / name)
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(ImageError, match="damaged, cut off, or in an unknown format"):
        read(tmp_path / "text.png")


def test_a_file_of_gigabytes_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.avif"
    path.touch()
    os.truncate(path, 2**40)  # more than there is memory
    with pytest.raises(ImageError, match="larger than 1073741824 bytes"):
        read_image(path)
