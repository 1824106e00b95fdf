"""The figures themselves, as functions of arrays: no networks, no files.

Images are uint8[H,W,3], BGR. `unit_edge.train.evaluation.bootstrap` says how sure they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from unit_edge.errors import DataError

Image = NDArray[np.uint8]
Translate = Callable[[Image], Image]

WITHIN_LEVELS = 16
"""Pixel accuracy: how far each channel may be from the true colour (Figure 2 of the paper)."""

_STRAY_SIZE = 192, 108

FOLLOWED_AT_LEAST = 0.1
"""Flicker: a pair of frames of which the flow follows less than this share of the pixels is a cut."""


def pixel_accuracy(image: Image, truth: Image) -> float:
    """Share of the pixels whose three channels are all within WITHIN_LEVELS of the true colour.

    Raises:
        DataError: the two sizes differ.
    """
    if image.shape != truth.shape:
        sizes = " and ".join(f"{a.shape[1]}x{a.shape[0]}" for a in (image, truth))
        raise DataError(f"the images of a pair are {sizes}; expected one size")
    levels = np.abs(image.astype(np.int16) - truth.astype(np.int16))
    return float((levels <= WITHIN_LEVELS).all(axis=2).mean())


def edges_kept(before: Image, after: Image) -> float:
    """Correlation of the gradient magnitudes of two images of one size: 1 if every edge is where it was."""
    magnitudes = []
    for image in (before, after):
        grey = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), (0, 0), 1.0).astype(np.float32)
        dx, dy = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
        magnitudes.append(np.hypot(dx, dy).ravel())
    if min(m.std() for m in magnitudes) == 0:
        return 0.0
    return float(np.corrcoef(np.stack(magnitudes))[0, 1])


def stray_chroma(before: Image, after: Image) -> float:
    """How much colour the regions of an image have that nothing in the input calls for: patches.

    The output's a* and b* are fitted by least squares with what a change of light may use: the input's
    L*, a*, b*, their squares and products, and the row with its square. What is left, as a mean over
    regions of a 24th of the height, is stray.

    Returns:
        Root mean square over pixels and both channels, in CIELAB units.
    """
    size = _STRAY_SIZE
    lab = [
        cv2.cvtColor(
            cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255,
            cv2.COLOR_BGR2LAB,
        )
        for image in (before, after)
    ]
    given = lab[0].reshape(-1, 3).astype(np.float64) / 50
    row = np.repeat(np.linspace(-1, 1, size[1]), size[0])[:, None]
    products = [given[:, [i]] * given[:, [j]] for i in range(3) for j in range(i, 3)]
    known = np.hstack([np.ones_like(row), given, *products, row, row**2])
    wanted = lab[1][..., 1:].reshape(-1, 2).astype(np.float64)
    left = wanted - known @ np.linalg.lstsq(known, wanted, rcond=None)[0]
    regions = cv2.blur(left.reshape(size[1], size[0], 2), (size[1] // 24,) * 2)
    return float(np.sqrt((regions**2).mean()))


def kernel(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """(x·y/d + 1)^3 of each pair: float[N,d], float[M,d] → float[N,M]."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    return np.asarray((x @ y.T / x.shape[1] + 1) ** 3)


def kernel_distance(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Unbiased squared MMD with `kernel`: the Kernel Inception Distance's estimator.

    Args:
        a: float[N,d], features of one set of images, N of 2 or more.
        b: float[M,d], features of the other.
    """
    within = sum((k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in (kernel(a, a), kernel(b, b)))
    return float(within - 2 * kernel(a, b).mean())


def target_distance(features: NDArray[np.float64], targets: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each image is from the middle of the target domain, for comparing images with each other.

    Args:
        features: float[N,d], of the images.
        targets: float[M,d], of images of the target domain, M of 2 or more.

    Returns:
        float[N], the distance of its features to the targets' mean; 1 is the mean distance of a
        target image to the mean of the other target images.
    """
    others = np.linalg.norm(targets - targets.mean(0), axis=1) * len(targets) / (len(targets) - 1)
    distances = np.linalg.norm(features - targets.mean(0), axis=1)
    return np.asarray(distances / max(float(others.mean()), 1e-12))


@dataclass
class Flicker:
    """What changes between the frames of a clip beside motion, in 8-bit levels.

    Attributes:
        output: a value for each pair of neighbouring frames of the translation.
        input: the same of the clip itself.
        output_contrast: standard deviation of the grey values of the pair's later frame, translated.
        input_contrast: the same of the clip itself.
        cuts: pairs that were left out because the flow could not follow them.
    """

    output: list[float] = field(default_factory=list)
    input: list[float] = field(default_factory=list)
    output_contrast: list[float] = field(default_factory=list)
    input_contrast: list[float] = field(default_factory=list)
    cuts: int = 0


def flicker(frames: Iterable[Image], translate: Translate) -> Flicker:
    """Mean absolute difference of each frame to the one before it, which is warped onto it.

    The optical flow (OpenCV's DIS) is the input's, for input and output alike: the translation shall
    move as the scene does. Pixels that are hidden in the other frame, or outside of it, don't count.

    Args:
        frames: of one clip, of one size, in order.
        translate: gives a frame of the same size.

    Raises:
        DataError: there are fewer than two frames, or no two neighbours show the same scene.
    """
    flow: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    result = Flicker()
    previous: tuple[Image, Image, Image] | None = None
    count = 0
    for frame in frames:
        count += 1
        grey = np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), np.uint8)
        output = translate(frame)
        if previous is not None:
            grey_before, frame_before, output_before = previous
            back = np.asarray(flow.calc(grey, grey_before, None))
            forth = np.asarray(flow.calc(grey_before, grey, None))
            seen = _seen_in_both(back, forth)
            if seen.mean() < FOLLOWED_AT_LEAST:
                result.cuts += 1
            else:
                for values, now, before in (
                    (result.input, frame, frame_before),
                    (result.output, output, output_before),
                ):
                    difference = np.abs(now.astype(np.float32) - _warp(before.astype(np.float32), back))
                    values.append(float(difference[seen].mean()))
                result.input_contrast.append(float(grey.std()))
                result.output_contrast.append(float(cv2.cvtColor(output, cv2.COLOR_BGR2GRAY).std()))
        previous = grey, frame, output
    if count < 2:
        raise DataError(f"a clip of {count} frame{'' if count == 1 else 's'}; flicker needs 2 or more")
    if not result.output:
        raise DataError("no two neighbouring frames of the clip show the same scene; expected a video")
    return result


def _seen_in_both(back: NDArray[np.float32], forth: NDArray[np.float32]) -> NDArray[np.bool_]:
    """bool[H,W]: pixels from which the flow leads to the other frame and comes back.

    The tolerance is that of Sundaram, Brox and Keutzer (ECCV 2010).
    """
    height, width = back.shape[:2]
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    x, y = columns + back[..., 0], rows + back[..., 1]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    returned = _warp(forth, back)
    off = ((back + returned) ** 2).sum(2)
    return np.asarray(inside & (off < 0.01 * ((back**2).sum(2) + (returned**2).sum(2)) + 0.5))


def _warp(image: NDArray[np.float32], flow: NDArray[np.float32]) -> NDArray[np.float32]:
    """The image as seen from where the flow starts: out(p) = image(p + flow(p)), bilinear."""
    height, width = flow.shape[:2]
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    moved = cv2.remap(image, columns + flow[..., 0], rows + flow[..., 1], cv2.INTER_LINEAR)
    return np.asarray(moved, np.float32)
