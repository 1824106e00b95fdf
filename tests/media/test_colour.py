"""Decoded frames to BGR: the values of the standards' formulas, whatever way swscale goes."""

from __future__ import annotations

import av
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter

from unit_edge.media.colour import ToBgr

WEIGHTS = {1: (0.2126, 0.0722), 5: (0.299, 0.114)}
"""Kr and Kb of BT.709 and BT.601, by their number in H.273."""
EXACT = 1 << 1 | 1 << 13 | 1 << 14 | 1 << 18
FORMATS = ["yuv420p", "yuvj420p", "nv12", "yuv420p10le", "yuv422p", "yuv444p"]


def patches(width: int, height: int, pixel_format: str) -> av.VideoFrame:
    """Patches of 16x16 pixels, each of one colour."""
    rng = np.random.default_rng(width)
    colours = rng.integers(0, 256, (-(-height // 16), -(-width // 16), 3), dtype=np.uint8)
    image = np.kron(colours, np.ones((16, 16, 1), np.uint8))[:height, :width]
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(image), "bgr24").reformat(format=pixel_format)


def formula(frame: av.VideoFrame, matrix: int) -> np.ndarray:
    """What the middle of each patch is, by the standard: float[rows,columns,3], BGR."""
    planes = frame.reformat(format="yuv444p").to_ndarray().astype(float)[:, 8::16, 8::16]
    y, cb, cr = (planes[0] - 16) / 219, (planes[1] - 128) / 224, (planes[2] - 128) / 224
    kr, kb = WEIGHTS[matrix]
    red, blue = y + 2 * (1 - kr) * cr, y + 2 * (1 - kb) * cb
    green = (y - kr * red - kb * blue) / (1 - kr - kb)
    return np.clip(255 * np.stack([blue, green, red], -1), 0, 255)


@pytest.mark.parametrize("size", [(640, 368), (90, 50), (77, 61)])
@pytest.mark.parametrize("matrix", [1, 5])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "nv12", "yuv422p", "yuv444p"])
def test_patches_have_the_colours_of_the_standard(
    pixel_format: str, matrix: int, size: tuple[int, int]
) -> None:
    frame = patches(*size, pixel_format)
    frame.colorspace, frame.color_range = matrix, 1
    image = ToBgr(*size)(frame)
    assert image.shape == (size[1], size[0], 3) and image.flags.c_contiguous
    assert np.abs(image[8::16, 8::16] - formula(frame, matrix)).max() <= 1


@pytest.mark.parametrize("size", [(640, 360), (34, 32), (90, 50), (77, 61)])
@pytest.mark.parametrize("pixel_format", FORMATS)
def test_planes_become_what_swscale_makes_of_them_packed(pixel_format: str, size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    frame = av.VideoFrame.from_ndarray(noise, "bgr24").reformat(format=pixel_format)
    frame.colorspace = 1
    packed = VideoReformatter().reformat(frame, *size, "bgr24", src_colorspace=1, interpolation=EXACT)
    assert np.array_equal(ToBgr(*size)(frame), packed.to_ndarray())


def test_a_frame_of_another_size_is_scaled_to_that_of_the_video() -> None:
    frame = patches(64, 64, "yuv420p")
    image = ToBgr(32, 32)(frame)
    assert image.shape == (32, 32, 3)
    assert np.abs(image[4::8, 4::8].astype(int) - ToBgr(64, 64)(frame)[8::16, 8::16]).max() <= 2
